import { html, useState } from 'htm/preact/standalone'
import { answered, failureOf } from './api.js'
import { usePolled } from './polled.js'

/** The swarms of the server: their states, versions and texts, an edit with its difference, updates and roll-backs. */
export function Swarms({ chosen, onChoose }) {
  const { answer: swarms, problem, reload } = usePolled('./v1/swarms')
  const name = swarms?.find((one) => one.name === chosen)?.name ?? swarms?.[0]?.name
  return html`<section aria-labelledby="swarms-title">
      <h2 id="swarms-title">Swarms of this server</h2>
      ${problem && html`<p class="bad">${problem.detail}</p>`}
      <div class="scroll" tabindex="0" role="region" aria-label="List of swarms"><table class="rows">
        <thead><tr><th scope="col">Swarm</th><th scope="col">State</th><th scope="col" class="number">Version</th><th scope="col">From</th><th scope="col" class="number">Bees</th></tr></thead>
        <tbody>${(swarms ?? []).map(
          (row) => html`<tr key=${row.name} class=${row.name === name ? 'chosen' : ''}>
            <th scope="row"><button class="link" aria-pressed=${row.name === name} onClick=${() => onChoose(row.name)}>${row.name}</button></th>
            <td class=${row.state === 'failed' ? 'bad' : ''}>${row.state}${row.error && html`<br /><small class="bad">${row.error.detail}</small>`}</td>
            <td class="number">${row.version ?? '–'}</td>
            <td>${row.source === 'file' ? 'a file' : 'the API'}</td>
            <td class="number">${row.bees}</td>
          </tr>`,
        )}</tbody>
      </table></div>
    </section>
    ${name && html`<${Detail} key=${name} name=${name} onChange=${reload} />`}`
}

function Detail({ name, onChange }) {
  const path = `./v1/swarms/${encodeURIComponent(name)}`
  const { answer: detail, problem, reload } = usePolled(path)
  const [edit, setEdit] = useState(null)
  const [difference, setDifference] = useState(null)
  const [said, setSaid] = useState(null)
  if (detail === null) return html`<section aria-label=${name}>${problem && html`<p class="bad">${problem.detail}</p>`}</section>`
  const text = edit ?? detail.definition
  const isFixed = detail.source === 'file'
  const call = async (what, method, to, body) => {
    setSaid({ text: `${what} …` })
    try {
      const answer = await answered(`${path}${to}`, {
        method,
        ...(body === undefined ? {} : { body, headers: { 'content-type': 'application/yaml' } }),
      })
      setSaid({ text: `${what}: done.` })
      return answer
    } catch (error) {
      setSaid({ isBad: true, text: failureOf(error).detail })
      return null
    } finally {
      reload()
      onChange()
    }
  }
  const place = detail.directory === null ? '' : `directory=${encodeURIComponent(detail.directory)}`
  const compare = async () => setDifference(await call('Compare', 'POST', `/compare?${place}`, text))
  const apply = async () => {
    const needs = difference?.needs_accept ?? []
    const row = await call('Update', 'PUT', `?${place}${needs.length > 0 ? '&accept=true' : ''}`, text)
    if (row === null) return
    setEdit(null)
    setDifference(null)
  }
  return html`<section aria-labelledby="detail-title">
    <div class="head"><h2 id="detail-title">${name}</h2>
      <p class="row">
        ${!isFixed && (detail.state === 'paused' || detail.state === 'failed' ? html`<button onClick=${() => call('Resume', 'POST', '/resume')}>Resume</button>` : html`<button onClick=${() => call('Pause', 'POST', '/pause')}>Pause</button>`)}
      </p>
    </div>
    <div role="status" aria-live="polite">${said && html`<p class=${said.isBad ? 'bad' : 'quiet'}>${said.text}</p>`}</div>
    ${isFixed && html`<p class="quiet">The process was started with this swarm’s file: change the file, and start again. <code>waggle serve</code> takes updates.</p>`}
    <label>The swarm’s text <textarea rows="16" spellcheck="false" value=${text} onInput=${({ target }) => {
      setEdit(target.value)
      setDifference(null)
    }}></textarea></label>
    <p class="row">
      <button onClick=${compare}>Compare with what runs</button>
      ${!isFixed && html`<button class="main" onClick=${apply} disabled=${difference === null}>${difference?.needs_accept.length > 0 ? 'Update, and accept the losses' : 'Update'}</button>`}
      <button onClick=${() => {
        setEdit(null)
        setDifference(null)
      }} disabled=${edit === null}>Discard the edit</button>
    </p>
    ${difference && html`<${Difference} ...${difference} />`}
    ${
      detail.versions.length > 0 &&
      html`<h3>Versions</h3><ul class="requests">${detail.versions.toReversed().map(
        ({ version, created_at, current, changed_files: changed }) => html`<li key=${version}>
          <b>${version}</b> <time>${new Date(created_at).toLocaleString()}</time>
          ${current ? html`<span class="quiet">runs</span>` : html`<button onClick=${() => call(`Roll back to ${version}`, 'POST', `/rollback?version=${version}`)}>Roll back to ${version}</button>`}
          ${changed?.length > 0 && html`<span class="quiet">Files changed since: ${changed.join(', ')}</span>`}
        </li>`,
      )}</ul>`
    }
  </section>`
}

function Difference({ bees, gateways, topics, stores, needs_accept: needs, requests_in_flight: inFlight, remarks, files }) {
  const parts = Object.entries({ bees, gateways, topics, stores }).flatMap(([what, changes]) =>
    Object.entries(changes).flatMap(([how, names]) => (names.length === 0 ? [] : [{ what, how, names }])),
  )
  const isSame = parts.length + files.length === 0
  return html`<h3>What the edit changes</h3>
    ${isSame && html`<p class="quiet">Nothing.</p>`}
    <ul class="difference">${parts.map(({ what, how, names }) => html`<li class=${how}><b>${signs[how]} ${what} ${how}</b>: ${names.join(', ')}</li>`)}${files.map(({ file, bees }) => html`<li class="changed"><b>${signs.changed} file changed</b>: ${file} (${bees.join(', ')})</li>`)}</ul>
    ${needs.length > 0 && html`<p class="bad">${needs.join('. ')}.</p>`}
    ${remarks.map((remark) => html`<p class="quiet">${remark}.</p>`)}
    ${!isSame && html`<p class="quiet">Requests in flight at this process: ${inFlight}. The version that runs answers them.</p>`}`
}

const signs = { added: '+', removed: '−', changed: '~' }
