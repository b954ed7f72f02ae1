import { useEffect, useState } from 'htm/preact/standalone'

/**
 * The swarms of the process and their counts, which come each second. `state` is `connecting`, `live` or `away`. `rates` are records a second for each
 * topic, and `calls` has the rate, the mean time and the failures of each bee since the counts before.
 */
export function useLive() {
  const [live, setLive] = useState({ state: 'connecting', shape: null, swarms: new Map() })
  useEffect(() => {
    const source = new EventSource('./v1/live')
    let before = null
    source.addEventListener('shape', ({ data }) => {
      before = null
      setLive((now) => ({ ...now, state: 'live', shape: JSON.parse(data) }))
    })
    source.addEventListener('counts', ({ data }) => {
      const counts = JSON.parse(data)
      const earlier = before
      before = counts
      setLive((now) => ({ ...now, state: 'live', swarms: earlier === null ? now.swarms : measured(earlier, counts, now.swarms) }))
    })
    source.onerror = () => setLive((now) => ({ ...now, state: 'away' }))
    return () => source.close()
  }, [])
  return live
}

function measured(before, counts, known) {
  const seconds = Math.max(0.001, (counts.at - before.at) / 1000)
  return new Map(
    counts.swarms.map((swarm) => {
      const last = before.swarms.find(({ name }) => name === swarm.name)
      const rates = Object.fromEntries(
        Object.entries(swarm.topics).map(([topic, end]) => [topic, Math.max(0, end - (last?.topics[topic] ?? end)) / seconds]),
      )
      const calls = Object.fromEntries(Object.entries(swarm.bees).map(([bee, now]) => [bee, callsSince(last?.bees[bee], now, seconds)]))
      const past = known.get(swarm.name)?.past ?? []
      return [swarm.name, { ...swarm, rates, calls, past: [...past, rates].slice(-60) }]
    }),
  )
}

function callsSince(before, now, seconds) {
  const { calls = now.calls, rows = now.rows, failed = now.failed, seconds: spent = now.seconds } = before ?? {}
  const made = now.calls - calls
  return {
    rate: (now.rows - rows) / seconds,
    failedRate: (now.failed - failed) / seconds,
    meanMs: made > 0 ? ((now.seconds - spent) / made) * 1000 : null,
    batch: made > 0 ? (now.rows - rows) / made : null,
  }
}

export function rateText(rate) {
  if (rate === undefined || rate === 0) return '0/s'
  return `${rate < 10 ? rate.toFixed(1) : Math.round(rate).toLocaleString('en')}/s`
}

export function timeText(ms) {
  if (ms === null || ms === undefined) return '–'
  if (ms < 1000) return `${ms < 10 ? Math.round(ms * 10) / 10 : Math.round(ms)} ms`
  return `${(ms / 1000).toFixed(ms < 10_000 ? 2 : 1)} s`
}
