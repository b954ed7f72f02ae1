import { useEffect, useState } from 'htm/preact/standalone'
import { call, eventsIn, problemIn } from './api.js'

/**
 * The swarms of the process and their counts, which arrive every second. `state` is `connecting`, `live`, `away`, `signed-out` (the server requires a
 * token), or `elsewhere` (the server shows the page only to callers on its own machine). `restartedAt` is the time at which the page noticed another
 * run of the server. `rates` are records a second for each topic. `calls` contains the rate, the mean time, the mean wait for a call, the batch
 * and the failures of each bee since the last counts.
 */
export function useLive() {
  const [live, setLive] = useState(nothing)
  const [attempt, setAttempt] = useState(0)
  useEffect(() => {
    const ended = new AbortController()
    void follow(ended.signal, setLive)
    return () => ended.abort()
  }, [attempt])
  return { ...live, reconnect: () => setAttempt((count) => count + 1) }
}

const nothing = { state: 'connecting', shape: null, swarms: new Map(), restartedAt: null }

/** Follows the counts, and reconnects a second after the stream has ended. */
async function follow(signal, setLive) {
  for (let tries = 0; !signal.aborted; tries++) {
    if (tries > 0) await new Promise((resolve) => setTimeout(resolve, 1000))
    try {
      const response = await call('./v1/live', { signal })
      if (response.status === 401 || response.status === 403) {
        const { code } = await problemIn(response)
        // A 403 without a code comes from a proxy that keeps the page's calls back.
        const isElsewhere = code === 'WAGGLE_NOT_LOCAL' || (code === undefined && response.status === 403)
        setLive({ ...nothing, state: isElsewhere ? 'elsewhere' : 'signed-out' })
        return
      }
      let before = null
      for await (const { event, data } of response.ok ? eventsIn(response) : []) {
        if (event === 'shape') setLive((now) => shaped(now, data))
        if (event !== 'counts') continue
        const earlier = before
        before = data
        setLive((now) => ({ ...now, state: 'live', swarms: earlier === null ? now.swarms : measured(earlier, data, now.swarms) }))
      }
    } catch {
      // The server is unreachable, or the page has aborted this call.
    }
    if (!signal.aborted) setLive((now) => ({ ...now, state: 'away' }))
  }
}

function shaped(now, shape) {
  const isOther = now.shape !== null && now.shape.instance !== shape.instance
  return { ...now, state: 'live', shape, restartedAt: isOther ? new Date() : now.restartedAt }
}

/** The numbers of each swarm. If the times of two counts are out of order, for example after a jump of the server's clock, there is no rate. */
function measured(before, counts, known) {
  const seconds = (counts.at - before.at) / 1000
  if (!(seconds > 0.1 && seconds < 60)) return known
  return new Map(
    counts.swarms.map((swarm) => {
      const last = before.swarms.find(({ name }) => name === swarm.name)
      const rates = Object.fromEntries(
        Object.entries(swarm.topics).map(([topic, end]) => [topic, Math.max(0, end - (last?.topics[topic] ?? end)) / seconds]),
      )
      const calls = Object.fromEntries(Object.entries(swarm.bees).map(([bee, now]) => [bee, callsSince(last?.bees[bee], now, seconds)]))
      const waits = Object.fromEntries(Object.entries(swarm.waiting).map(([bee, topics]) => [bee, sum(Object.values(topics))]))
      const past = known.get(swarm.name)?.past ?? []
      return [swarm.name, { ...swarm, rates, calls, waits, past: [...past, rates].slice(-60) }]
    }),
  )
}

function callsSince(before, now, seconds) {
  const { calls, rows, failed, seconds: spent, started, waited_seconds: waited } = before ?? now
  const began = now.started - started
  const made = now.calls - calls
  const batch = made > 0 ? (now.rows - rows) / made : null
  return {
    rate: Math.max(0, now.rows - rows) / seconds,
    failedRate: Math.max(0, now.failed - failed) / seconds,
    meanMs: made > 0 ? ((now.seconds - spent) / made) * 1000 : null,
    waitMs: began > 0 ? ((now.waited_seconds - waited) / began) * 1000 : null,
    batch,
    fill: batch === null || now.batch_limit < 2 ? null : Math.min(1, batch / now.batch_limit),
  }
}

function sum(numbers) {
  return numbers.reduce((total, one) => total + one, 0)
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

export function countText(count) {
  return count < 10_000
    ? count.toLocaleString('en')
    : count < 1e6
      ? `${(count / 1000).toFixed(count < 1e5 ? 1 : 0)} k`
      : `${(count / 1e6).toFixed(1)} M`
}

export function bytesText(bytes) {
  const units = ['B', 'KB', 'MB', 'GB', 'TB']
  let at = 0
  for (; bytes >= 1000 && at < units.length - 1; at++) bytes /= 1000
  return `${at === 0 || bytes >= 100 ? Math.round(bytes) : bytes.toFixed(1)} ${units[at]}`
}
