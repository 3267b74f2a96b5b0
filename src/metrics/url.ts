/** Which URLs a metric source may have. */

/** What is wrong with the URL of a source; undefined where nothing is. */
export function urlProblem(url: string): string | undefined {
  const parsed = URL.parse(url)
  if (parsed === null) return 'the URL of a Prometheus source is not a URL; write it as http://prometheus.monitoring:9090'
  if (parsed.protocol !== 'http:' && parsed.protocol !== 'https:')
    return `the URL of a Prometheus source begins with ${parsed.protocol}//; write http:// or https://`
  if (parsed.search !== '' || parsed.hash !== '') return 'the URL of a Prometheus source has a query or fragment; leave them out and put tokens into a header'
  return undefined
}
