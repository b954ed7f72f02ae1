import { html, useState } from 'htm/preact/standalone'
import { timeText } from './live.js'
import { usePolled } from './polled.js'

/** The newest requests of a swarm. With `isWhole`, they can also be searched by key, time and outcome. */
export function Requests({ swarm, onFollow, isWhole = false }) {
  const [state, setState] = useState('')
  const [key, setKey] = useState('')
  const [from, setFrom] = useState('')
  const [to, setTo] = useState('')
  const filters = { state, key: key.trim(), from: timeOf(from), to: timeOf(to) }
  const query = new URLSearchParams({
    swarm,
    max: isWhole ? '50' : '10',
    ...Object.fromEntries(Object.entries(filters).filter(([, text]) => text !== '')),
  })
  const { answer, problem } = usePolled(`./v1/requests?${query}`)
  const requests = answer?.requests ?? []
  return html`<div class="row filters">
      <label>${isWhole ? 'Outcome' : 'Newest requests'}
        <select value=${state} onChange=${({ target }) => setState(target.value)}>
          <option value="">all</option><option value="answered">answered</option><option value="failed">failed</option><option value="pending">pending</option>
        </select>
      </label>
      ${
        isWhole &&
        // The fields have no `value`, because each drawing would replace the user's text by the old value.
        html`<label>Key <input type="search" onChange=${({ target }) => setKey(target.value)} placeholder="Idempotency-Key" /></label>
        <label>From <input type="datetime-local" step="1" onChange=${({ target }) => setFrom(target.value)} /></label>
        <label>To <input type="datetime-local" step="1" onChange=${({ target }) => setTo(target.value)} /></label>`
      }
    </div>
    ${problem && html`<p class="bad">${problem.detail}</p>`}
    ${!problem && answer !== null && requests.length === 0 && html`<p class="quiet">There are none.</p>`}
    <ul class="requests">
      ${requests.map(
        ({ request_id, state: how, accepted_at, finished_at, error }) => html`<li key=${request_id}>
          <button class="link" onClick=${() => onFollow(request_id)}>${request_id}</button>
          <span class=${how === 'failed' ? 'bad' : 'quiet'}>${how}${error?.bee ? ` at ${error.bee}` : ''}${finished_at === null ? '' : ` in ${timeText(finished_at - accepted_at)}`}</span>
          <time>${new Date(accepted_at).toLocaleTimeString()}</time>
        </li>`,
      )}
    </ul>
    ${answer?.next && isWhole && html`<p class="quiet">There are more: narrow the time, or use <code>waggle requests list</code>.</p>`}`
}

/** Converts the time of a field, which is in the browser's time zone, into the form of the API. */
function timeOf(text) {
  const time = text === '' ? Number.NaN : Date.parse(text)
  return Number.isNaN(time) ? '' : String(time)
}
