import { html, useState } from 'htm/preact/standalone'
import { answered, failureOf } from './api.js'
import { usePolled } from './polled.js'

/** The dead letters of a swarm. Each letter can be retried or discarded. */
export function Letters({ swarm, onFollow }) {
  const [after, setAfter] = useState(null)
  const query = new URLSearchParams({ max: '20', swarm, ...(after === null ? {} : { after }) })
  const { answer, problem, reload } = usePolled(`./v1/dead-letters?${query}`)
  const [said, setSaid] = useState(null)
  const settle = async (method, path, textOf) => {
    try {
      setSaid({ text: textOf(await answered(path, { method })) })
    } catch (error) {
      setSaid({ isBad: true, text: failureOf(error).detail })
    }
    reload()
  }
  const { dead_letters: letters, next } = answer ?? { dead_letters: [], next: null }
  return html`<div role="status" aria-live="polite">${said && html`<p class=${said.isBad ? 'bad' : 'quiet'}>${said.text}</p>`}</div>
    ${problem && html`<p class="bad">${problem.detail}</p>`}
    ${!problem && answer !== null && letters.length === 0 && html`<p class="quiet">There are none.</p>`}
    <ul class="letters">
      ${letters.map(({ id, bee, code, cause, request_id, timestamp, content }) => {
        const path = `./v1/dead-letters/${encodeURIComponent(id)}`
        return html`<li key=${id}>
          <p><strong>${bee}</strong> <code>${code}</code> <time>${new Date(timestamp).toLocaleString()}</time></p>
          <p>${cause}</p>
          ${content && html`<pre tabindex="0">${content}</pre>`}
          <p class="row">
            <button onClick=${() => settle('POST', `${path}/retry`, ({ request_id: sent }) => `Sent again as ${sent}.`)} aria-label=${`Retry ${id}`}>Retry</button>
            <button onClick=${() => settle('DELETE', path, () => `Discarded ${id}.`)} aria-label=${`Discard ${id}`}>Discard</button>
            ${request_id && html`<button onClick=${() => onFollow(request_id)} aria-label=${`Its way: ${id}`}>Its way</button>`}
          </p>
        </li>`
      })}
    </ul>
    ${
      (next !== null || after !== null) &&
      html`<p class="row"><button disabled=${after === null} onClick=${() => setAfter(null)}>Newest</button><button disabled=${next === null} onClick=${() => setAfter(next)}>Older</button></p>`
    }`
}
