import { html, useEffect, useState } from 'htm/preact/standalone'
import { answered, failureOf } from './api.js'
import { timeText } from './live.js'

/** The path of a request: a bar for each step from its start to its end, with the wait before the step, and the requests that shared its batch. */
export function Waterfall({ id, onFind }) {
  const [found, setFound] = useState(null)
  const [sought, setSought] = useState('')
  useEffect(() => {
    if (!id) return
    let isOver = false
    answered(`./v1/requests/${encodeURIComponent(id)}/trace`)
      .then((trace) => isOver || setFound({ trace }))
      .catch((error) => isOver || setFound({ problem: failureOf(error) }))
    return () => {
      isOver = true
    }
  }, [id])
  const find = (event) => {
    event.preventDefault()
    if (sought.trim() !== '') onFind(sought.trim())
  }
  return html`<form class="row" onSubmit=${find}>
      <label class="grow">Request id <input type="search" value=${sought} onInput=${({ target }) => setSought(target.value)} placeholder="X-Request-Id of an answer" /></label>
      <button type="submit">Follow</button>
    </form>
    ${found === null && html`<p class="quiet">Send a request, or give the id of one.</p>`}
    ${found?.problem && html`<p class="bad" role="alert">${found.problem.detail}</p>`}
    ${found?.trace && html`<${Bars} trace=${found.trace} onFind=${onFind} />`}`
}

function Bars({ trace, onFind }) {
  const { steps, accepted_at, state, request_id, complete } = trace
  const begin = accepted_at ?? Math.min(...steps.flatMap(({ started_at }) => started_at ?? []))
  const end = Math.max(begin + 1, ...steps.map(({ finished_at }) => finished_at ?? begin))
  const percent = (ms) => `${Math.min(100, (Math.max(0, ms) / (end - begin)) * 100)}%`
  return html`<p class="quiet">${state ?? 'traced'} in ${timeText(end - begin)} · <code>${request_id}</code></p>
    <table class="waterfall">
      <caption class="hidden">The steps of the request in the order of time</caption>
      <thead><tr><th scope="col">Bee</th><th scope="col">Waited</th><th scope="col">Worked</th><th scope="col" class="wide"><span class="hidden">When</span></th></tr></thead>
      <tbody>
        ${steps.map((step) => {
          const { bee, topic, partition, offset, started_at, waited_ms, worked_ms, round, attempt, passed, error, parts, batch_mates: mates } = step
          const isTimed = started_at !== null
          const waited = waited_ms ?? 0
          return html`<tr key=${`${bee} ${round} ${attempt}`} class=${error === null ? '' : passed ? 'passed' : 'failed'}>
            <th scope="row" title=${`${topic} ${partition}/${offset}`}>${bee}${noteOf(step, begin)}</th>
            <td>${timeText(waited_ms)}</td>
            <td>${passed ? 'passed on' : timeText(worked_ms)}</td>
            <td class="wide"><div class="track">
              ${isTimed && waited > 0 && html`<i class="waited" style=${{ left: percent(started_at - begin - waited), width: percent(waited) }}></i>`}
              ${isTimed && html`<i class="worked" style=${{ left: percent(started_at - begin), width: percent(worked_ms) }}></i>`}
              ${parts && html`<i class="first-part" style=${{ left: percent(parts.first_at - begin) }} title=${`The first part at ${timeText(parts.first_at - begin)}`}></i>`}
            </div>${error !== null && !passed && html`<small class="bad">${error.detail}</small>`}
            ${mates.length > 0 && html`<details><summary>${mates.length} in the same batch</summary><ul class="mates">${mates.map((mate) => html`<li key=${mate}><button class="link" onClick=${() => onFind(mate)}>${mate}</button></li>`)}</ul></details>`}</td>
          </tr>`
        })}
      </tbody>
    </table>
    ${!complete && html`<p class="quiet">The search ended at its bound. Steps may be missing.</p>`}`
}

/** The batch, the parts, the model's version, the attempt and the round of a step, if there is something to tell. */
function noteOf({ bee, batch_size, batch_sent, parts, model, model_version, attempt, round }, begin) {
  const notes = [
    ...(batch_size > 1 ? [`batch of ${batch_size}${batch_sent ? ` (${batch_sent})` : ''}`] : []),
    ...(parts ? [`${parts.count} ${parts.count === 1 ? 'part' : 'parts'}, the first at ${timeText(parts.first_at - begin)}`] : []),
    ...(model_version === null ? [] : [`version ${model_version}`]),
    ...(model === null || model === bee ? [] : [model]),
    ...(attempt > 1 ? [`attempt ${attempt}`] : []),
    ...(round === null ? [] : [round]),
  ]
  return notes.length === 0 ? '' : html` <small>${notes.join(' · ')}</small>`
}
