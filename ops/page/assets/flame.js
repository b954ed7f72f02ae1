import { html, useEffect, useState } from 'htm/preact/standalone'
import { answered, failureOf } from './api.js'
import { allocationFlames, cpuFlames, requestFlames } from './flame-layout.js'
import { bytesText } from './live.js'

/**
 * The view of a profile, which is made on demand: the time of requests by bee, and flame graphs of the CPU time and the allocations of each thread.
 */
export function Profile({ swarm, seconds: usual = 10 }) {
  const [seconds, setSeconds] = useState(usual)
  const [state, setState] = useState({ kind: 'none' })
  const [thread, setThread] = useState('main')
  const take = async (event) => {
    event.preventDefault()
    setState({ kind: 'running' })
    try {
      const profile = await answered(`./v1/debug/profile?seconds=${seconds}`, { method: 'POST' })
      setState({ kind: 'done', profile })
    } catch (error) {
      setState({ kind: 'failed', text: failureOf(error).detail })
    }
  }
  const { profile } = state
  const shown = profile?.threads.find((one) => one.thread === thread) ?? profile?.threads[0]
  return html`<link rel="stylesheet" href="./page/flame.css" />
    <form class="row" onSubmit=${take}>
      <label>Seconds <input type="number" min="1" max="60" value=${seconds} onInput=${({ target }) => setSeconds(Number(target.value))} /></label>
      <button type="submit" disabled=${state.kind === 'running'}>Profile</button>
    </form>
    <p role="status" aria-live="polite" class=${state.kind === 'failed' ? 'bad' : 'quiet'}>${statusText(state, seconds)}</p>
    ${profile && swarm && html`<${TracedRequests} key=${`${swarm} ${profile.started_at}`} swarm=${swarm} profile=${profile} />`}
    ${profile && html`<${Bees} bees=${profile.bees} />`}
    ${
      profile &&
      html`<label>Thread <select value=${shown.thread} onChange=${({ target }) => setThread(target.value)}>${profile.threads.map((one) => html`<option value=${one.thread}>${one.thread} ${shortPlace(one.file)}</option>`)}</select></label>
        ${shown.cpu === null ? html`<p class="quiet">This thread did not answer: it computed without a pause.</p>` : html`<${Flames} key=${`cpu ${shown.thread}`} title="CPU time" of=${shown.cpu} graphOf=${cpuFlames} amountText=${(us) => msText(us / 1000)} wholeText="of the busy time" none="This thread was idle." />`}
        ${shown.allocations !== null && html`<${Flames} key=${`bytes ${shown.thread}`} title="Allocations" of=${shown.allocations} graphOf=${allocationFlames} amountText=${bytesText} wholeText="of the sampled bytes" none="The sample has no allocation of this thread." />`}`
    }`
}

/** The time of a request by bee, from the traces of requests that were answered within the profile. */
function TracedRequests({ swarm, profile }) {
  const [found, setFound] = useState(null)
  useEffect(() => {
    let isOver = false
    tracesIn(swarm, profile)
      .then((traces) => isOver || setFound({ traces }))
      .catch((error) => isOver || setFound({ problem: failureOf(error) }))
    return () => {
      isOver = true
    }
  }, [swarm, profile])
  if (found === null) return html`<p class="quiet">Reading traces …</p>`
  if (found.problem) return html`<p class="bad">${found.problem.detail}</p>`
  const called = new Set(profile.bees.flatMap((one) => (one.swarm === swarm ? one.bee : [])))
  return html`<${Flames} title=${`Time of a request of ${swarm}`} of=${found.traces} graphOf=${(traces) => requestFlames(traces, called)} amountText=${msText} wholeText="of the request’s time" note=${`, the mean of ${found.traces.length} requests; bees that work at the same time add up`} none="No request was answered in that time." />`
}

/** Reads at most `mostTraces` traces, one after the other, so that the process has little work with them. */
async function tracesIn(swarm, { started_at, seconds }) {
  const query = new URLSearchParams({
    swarm,
    state: 'answered',
    max: mostTraces,
    from: Math.floor(started_at),
    to: Math.ceil(started_at + seconds * 1000),
  })
  const { requests } = await answered(`./v1/requests?${query}`)
  const traces = []
  for (const { request_id } of requests) traces.push(await answered(`./v1/requests/${encodeURIComponent(request_id)}/trace`))
  return traces
}

const mostTraces = 20

function statusText({ kind, text, profile }, seconds) {
  if (kind === 'running') return `Profiling for ${seconds} s …`
  if (kind === 'failed') return text
  return kind === 'done' ? `${profile.seconds.toFixed(1)} s from ${new Date(profile.started_at).toLocaleTimeString()}` : ''
}

function Bees({ bees }) {
  if (bees.length === 0) return html`<p class="quiet">No bee had a call in that time.</p>`
  const most = Math.max(...bees.map(({ wait_ms, call_ms }) => (wait_ms ?? 0) + (call_ms ?? 0)), 1e-9)
  const part = (ms) => ({ width: `${((ms ?? 0) / most) * 100}%` })
  return html`<table class="flame-bees">
    <caption>Where the time of a request goes: mean wait for a call, and mean call</caption>
    <thead><tr><th scope="col">Bee</th><th scope="col">Rows</th><th scope="col">Waited</th><th scope="col">Worked</th><th scope="col"><span class="hidden">Both</span></th></tr></thead>
    <tbody>
      ${bees.map(
        ({ swarm, bee, rows, wait_ms, call_ms }) => html`<tr key=${`${swarm}/${bee}`}>
          <th scope="row">${bee}</th><td>${rows}</td><td>${msText(wait_ms)}</td><td>${msText(call_ms)}</td>
          <td class="bar"><i class="waited" style=${part(wait_ms)}></i><i class="worked" style=${part(call_ms)}></i></td>
        </tr>`,
      )}
    </tbody>
  </table>`
}

/** A flame graph: callers above, the widest bar first. A click, or Enter, widens a bar to the width of the graph. */
function Flames({ title, of, graphOf, amountText, wholeText, none, note = '' }) {
  const [view, setView] = useState({ start: 0, width: 1 })
  const [told, setTold] = useState(null)
  const [graph, setGraph] = useState(null)
  useEffect(() => setGraph(graphOf(of)), [of])
  if (graph === null) return null
  const { rows, total } = graph
  if (total === 0) return html`<h3>${title}</h3><p class="quiet">${none}</p>`
  const percent = (part) => `${part * 100}%`
  const inView = ({ start, width }) => start < view.start + view.width - 1e-9 && start + width > view.start + 1e-9
  const bar = (one) => {
    const from = Math.max(one.start, view.start)
    const to = Math.min(one.start + one.width, view.start + view.width)
    const text = `${one.name} ${amountText(one.amount)}, ${(one.width * 100).toFixed(1)} % ${wholeText}${one.place === '' ? '' : `, ${one.place}`}`
    return html`<button
      type="button"
      class=${`flame heat-${one.heat}`}
      style=${{ left: percent((from - view.start) / view.width), width: percent((to - from) / view.width) }}
      title=${text}
      aria-label=${text}
      onClick=${() => setView({ start: one.start, width: one.width })}
      onMouseEnter=${() => setTold(text)}
      onFocus=${() => setTold(text)}
    >${one.name}</button>`
  }
  return html`<h3>${title}</h3>
    <div class="row">
      <button type="button" aria-label=${`Whole: ${title}`} disabled=${view.width === 1} onClick=${() => setView({ start: 0, width: 1 })}>Whole</button>
      <span class="quiet" aria-live="polite">${told ?? `${amountText(total)}${note}`}</span>
    </div>
    <div class="flames" role="group" aria-label=${title}>
      ${rows.map((row, depth) => html`<div class="flame-row" key=${depth}>${row.filter(inView).map(bar)}</div>`)}
    </div>`
}

function msText(ms) {
  if (ms === null || ms === undefined) return '–'
  return ms < 10 ? `${ms.toFixed(1)} ms` : ms < 10_000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`
}

function shortPlace(file) {
  return file === '' ? '' : `(${file.slice(file.lastIndexOf('/') + 1)})`
}
