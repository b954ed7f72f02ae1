import { systemClock } from '../../connectors/system/system-clock.ts'

/**
 * Reads from a process what an open page and a Prometheus that scrapes each second read. Returns the function that ends it, which throws if one of
 * them got no answer.
 */
export function watchers({ gateway, swarm }: { readonly gateway: string; readonly swarm: string }): () => Promise<void> {
  const ended = new AbortController()
  const live = following(`${gateway}/v1/live`, ended.signal)
  // The page reads the state of the chosen swarm and its newest requests every five seconds.
  const reads: readonly Polled[] = [
    { url: `${gateway}/metrics`, everyMs: 1000, accept: 'application/openmetrics-text; version=1.0.0' },
    { url: `${gateway}/v1/live/${swarm}`, everyMs: 5000, accept: 'application/json' },
    { url: `${gateway}/v1/requests?swarm=${swarm}`, everyMs: 5000, accept: 'application/json' },
  ]
  const running = [live, ...reads.map((one) => polling(one, ended.signal))]
  return async () => {
    ended.abort()
    await Promise.all(running)
  }
}

interface Polled {
  readonly url: string
  readonly everyMs: number
  readonly accept: string
}

/** Reads server-sent events until the signal aborts. */
async function following(url: string, signal: AbortSignal): Promise<void> {
  let bytes = 0
  try {
    const response = await fetch(url, { signal, headers: { accept: 'text/event-stream' } })
    if (!response.ok || response.body === null) throw new Error(`${url} answered ${response.status}`)
    for await (const chunk of response.body) bytes += chunk.length
  } catch (error) {
    if (!signal.aborted) throw error
  }
  if (bytes === 0) throw new Error(`${url} sent nothing`)
}

async function polling({ url, everyMs, accept }: Polled, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const response = await fetch(url, { headers: { accept } })
    await response.arrayBuffer()
    // A gateway that is full refuses operators too.
    if (!response.ok && response.status !== 503) throw new Error(`${url} answered ${response.status}`)
    await new Promise<void>((resolve) => {
      const cancel = systemClock.after(everyMs, resolve)
      signal.addEventListener('abort', () => {
        cancel()
        resolve()
      })
    })
  }
}
