import { html, useRef, useState } from 'htm/preact/standalone'
import { answerIn, call, eventsIn, failureOf, problemIn } from './api.js'
import { timeText } from './live.js'

/** The form that sends a request. `onProgress` gets each bee that has finished. `onDone` gets the request's id at the end. */
export function Ask({ swarm, onBegin, onProgress, onDone }) {
  const [gateway, setGateway] = useState(swarm.gateways[0]?.gateway)
  const chosen = swarm.gateways.find((one) => one.gateway === gateway) ?? swarm.gateways[0]
  const [text, setText] = useState(null)
  const [file, setFile] = useState(null)
  const [isOver, setIsOver] = useState(false)
  const [result, setResult] = useState(null)
  const input = useRef(null)
  if (chosen === undefined) return html`<p class="quiet">${swarm.name} has no gateway of its own. It reads topics.</p>`
  const shown = text ?? JSON.stringify(chosen.example ?? {}, null, 2)

  const take = (given) => given && setFile({ file: given, url: given.type.startsWith('image/') ? URL.createObjectURL(given) : null })
  const send = async (event) => {
    event.preventDefault()
    const begun = performance.now()
    setResult({ isWaiting: true })
    onBegin()
    try {
      const body = file === null ? shown : file.file
      const contentType = file === null ? 'application/json' : file.file.type || 'application/octet-stream'
      const answer = await asked({ ...chosen, body, contentType, onProgress })
      setResult({ ...answer, ms: performance.now() - begun })
      if (answer.id) onDone(answer.id)
    } catch (error) {
      setResult({ problem: failureOf(error) })
    }
  }
  const drop = (event) => {
    event.preventDefault()
    setIsOver(false)
    take(event.dataTransfer.files[0])
  }
  return html`<form class="ask" onSubmit=${send}>
    ${
      swarm.gateways.length > 1 &&
      html`<label>Gateway <select value=${chosen.gateway} onChange=${({ target }) => setGateway(target.value)}>${swarm.gateways.map((one) => html`<option value=${one.gateway} selected=${one.gateway === chosen.gateway}>${one.gateway}</option>`)}</select></label>`
    }
    <div class=${`drop ${isOver ? 'over' : ''}`} onDragOver=${(event) => {
      event.preventDefault()
      setIsOver(true)
    }} onDragLeave=${() => setIsOver(false)} onDrop=${drop}>
      ${
        file === null
          ? html`<label for="ask-json">JSON, or drop a picture here</label><textarea id="ask-json" rows="5" spellcheck="false" value=${shown} onInput=${({ target }) => setText(target.value)}></textarea>`
          : html`<figure>${file.url && html`<img src=${file.url} alt="The picture to send" />`}<figcaption>${file.file.name} <button type="button" onClick=${() => setFile(null)}>Remove</button></figcaption></figure>`
      }
    </div>
    <div class="row">
      <button class="main" type="submit" disabled=${result?.isWaiting}>${result?.isWaiting ? 'Sending …' : 'Send'}</button>
      <button type="button" onClick=${() => input.current.click()}>Choose a file</button>
      <input ref=${input} type="file" hidden onChange=${({ target }) => take(target.files[0])} />
    </div>
    <div role="status" aria-live="polite">${result !== null && !result.isWaiting && html`<${Answer} result=${result} />`}</div>
  </form>`
}

function Answer({ result: { answer, problem, id, ms } }) {
  if (problem)
    return html`<p class="bad"><strong>${problem.title ?? 'It failed'}</strong>${problem.bee ? ` at ${problem.bee}` : ''}: ${problem.detail}</p>`
  const isPicture = answer?.base64 !== undefined && answer.content_type?.startsWith('image/')
  return html`<p class="quiet">Answered in ${timeText(ms)} · <code>${id}</code></p>
    ${isPicture ? html`<img alt="The answer" src=${`data:${answer.content_type};base64,${answer.base64}`} />` : html`<pre tabindex="0">${JSON.stringify(answer, null, 2)}</pre>`}`
}

/** Sends the body, and follows the events of the request until the answer. */
async function asked({ gateway, answers, bee: entrance, respond, body, contentType, onProgress }) {
  const path = `./v1/gateways/${encodeURIComponent(gateway)}/${answers ? 'request' : 'submit'}`
  const response = await call(path, { method: 'POST', body, headers: { 'content-type': contentType, accept: 'text/event-stream' } })
  const id = response.headers.get('x-request-id')
  if (!response.ok) return { id, problem: await problemIn(response) }
  if (!answers) return { id, answer: await answerIn(response) }
  for await (const { event, data } of eventsIn(response)) {
    if (event === 'accepted') onProgress(entrance, 'done')
    if (event === 'bee') onProgress(data.bee, data.error === null ? 'done' : 'failed')
    if (event === 'answer' && respond) onProgress(respond, data.problem === null ? 'done' : 'failed')
    if (event === 'answer') return { id, answer: data.answer, problem: data.problem }
  }
  throw new Error('The server ended the connection before the answer. Look at the request with its id.')
}
