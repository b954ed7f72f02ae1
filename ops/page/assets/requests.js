import { html, useEffect, useState } from 'htm/preact/standalone'
import { answered, failureOf } from './api.js'
import { timeText } from './live.js'

/** The newest requests of a swarm, by their state. They are read again every five seconds. */
export function Requests({ swarm, onFollow }) {
  const [state, setState] = useState('')
  const [read, setRead] = useState({ requests: [] })
  useEffect(() => {
    const query = new URLSearchParams({ swarm, max: '10', ...(state === '' ? {} : { state }) })
    let isOver = false
    const load = () =>
      answered(`./v1/requests?${query}`)
        .then((page) => isOver || setRead(page))
        .catch((error) => isOver || setRead({ requests: [], problem: failureOf(error) }))
    void load()
    const timer = setInterval(load, 5000)
    return () => {
      isOver = true
      clearInterval(timer)
    }
  }, [swarm, state])
  return html`<label class="row">Newest requests
      <select value=${state} onChange=${({ target }) => setState(target.value)}>
        <option value="">all</option><option>answered</option><option>failed</option><option>pending</option>
      </select>
    </label>
    ${read.problem && html`<p class="bad">${read.problem.detail}</p>`}
    ${!read.problem && read.requests.length === 0 && html`<p class="quiet">There are none.</p>`}
    <ul class="requests">
      ${read.requests.map(
        ({ request_id, state: how, accepted_at, finished_at, error }) => html`<li key=${request_id}>
          <button class="link" onClick=${() => onFollow(request_id)}>${request_id}</button>
          <span class=${how === 'failed' ? 'bad' : 'quiet'}>${how}${error?.bee ? ` at ${error.bee}` : ''}${finished_at === null ? '' : ` in ${timeText(finished_at - accepted_at)}`}</span>
          <time>${new Date(accepted_at).toLocaleTimeString()}</time>
        </li>`,
      )}
    </ul>`
}
