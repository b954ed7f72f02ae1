import { html, useEffect, useState } from 'htm/preact/standalone'
import { answered, failureOf } from './api.js'

/** The dead letters of a swarm, with a retry. They are read again when `version` changes, and every five seconds. */
export function Letters({ swarm, onFollow }) {
  const [page, setPage] = useState({ dead_letters: [], next: null })
  const [said, setSaid] = useState(null)
  const load = () =>
    answered(`./v1/dead-letters?max=20&swarm=${encodeURIComponent(swarm)}`)
      .then(setPage)
      .catch((error) => setSaid({ isBad: true, text: failureOf(error).detail }))
  useEffect(() => {
    void load()
    const timer = setInterval(load, 5000)
    return () => clearInterval(timer)
  }, [swarm])
  const settle = async (method, path, textOf) => {
    try {
      setSaid({ text: textOf(await answered(path, { method })) })
    } catch (error) {
      setSaid({ isBad: true, text: failureOf(error).detail })
    }
    await load()
  }
  const { dead_letters: letters, next } = page
  return html`<div role="status" aria-live="polite">${said && html`<p class=${said.isBad ? 'bad' : 'quiet'}>${said.text}</p>`}</div>
    ${letters.length === 0 && html`<p class="quiet">There are none.</p>`}
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
            ${request_id && html`<button onClick=${() => onFollow(request_id)}>Its way</button>`}
          </p>
        </li>`
      })}
    </ul>
    ${next !== null && html`<p class="quiet">There are more: <code>waggle dead-letters list</code> has all.</p>`}`
}
