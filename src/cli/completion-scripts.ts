/** The scripts that let shells ask `sluice complete`. Pure. */

export const shells = ['bash', 'zsh', 'fish'] as const
export type Shell = (typeof shells)[number]

/** The script for a shell, with how to install it as a comment at its top. */
export function completionScript(shell: Shell): string {
  return { bash, zsh, fish }[shell]
}

const bash = `# bash completion for sluice. For this shell: source <(sluice completion bash)
# For every shell: sluice completion bash > ~/.local/share/bash-completion/completions/sluice
_sluice() {
  local lines line
  COMPREPLY=()
  # = and : end a word for bash, but not for sluice.
  local words=("\${COMP_WORDS[@]:1:COMP_CWORD}") cur="\${COMP_WORDS[COMP_CWORD]}"
  if declare -F _get_comp_words_by_ref >/dev/null; then
    local cword
    _get_comp_words_by_ref -n =: words cword cur
    words=("\${words[@]:1:cword}")
  fi
  lines=$(sluice complete -- "\${words[@]}" 2>/dev/null)
  if [ "$lines" = ":files" ]; then
    compopt -o default 2>/dev/null
    return
  fi
  while IFS= read -r line; do
    [ -n "$line" ] && COMPREPLY+=("\${line%%$'\\t'*}")
  done <<< "$lines"
  declare -F __ltrim_colon_completions >/dev/null && __ltrim_colon_completions "$cur"
  return 0
}
complete -F _sluice sluice
`

const zsh = `#compdef sluice
# zsh completion for sluice. For this shell: source <(sluice completion zsh)
# For every shell: sluice completion zsh > "\${fpath[1]}/_sluice"
_sluice() {
  local -a found
  local value description
  while IFS=$'\\t' read -r value description; do
    if [[ $value == ":files" ]]; then
      _files
      return
    fi
    [[ -n $value ]] && found+=("\${value//:/\\\\:}\${description:+:$description}")
  done < <(sluice complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)
  _describe sluice found
}
if [[ $funcstack[1] == _sluice ]]; then
  _sluice "$@"
else
  compdef _sluice sluice
fi
`

const fish = `# fish completion for sluice. For this shell: sluice completion fish | source
# For every shell: sluice completion fish > ~/.config/fish/completions/sluice.fish
function __sluice_complete
    set -l words (commandline -opc) (commandline -ct)
    set -l lines (sluice complete -- $words[2..-1] 2>/dev/null)
    if test "$lines" = ":files"
        __fish_complete_path (commandline -ct)
    else
        string join \\n -- $lines
    end
end
complete -c sluice -f -a '(__sluice_complete)'
`
