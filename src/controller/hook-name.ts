/** Hooks that are told of outcomes stand in the same lines as channels, under a name that no channel can have. */
const mark = 'hook/'

export function channelOf(rollout: string, name: string): string {
  return `${mark}${rollout}/${name}`
}
export function isHook(channel: string): boolean {
  return channel.startsWith(mark)
}
/** Which hook a name is of. */
export function hookOf(channel: string): { readonly rollout: string; readonly name: string } {
  const [, rollout = '', name = ''] = channel.split('/')
  return { rollout, name }
}
