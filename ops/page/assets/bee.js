import { html, useState } from 'htm/preact/standalone'
import { answered } from './api.js'
import { bytesText, rateText, timeText } from './live.js'
import { usePolled } from './polled.js'
import { Records } from './records.js'

/** The view of one bee: its numbers, spec, model, log and newest records. */
export function Bee({ swarm, bee, numbers, onFollow, onClose }) {
  const at = `./v1/swarms/${encodeURIComponent(swarm)}/bees/${encodeURIComponent(bee.name)}`
  const { answer: row, problem } = usePolled(at, 0)
  const { answer: models } = usePolled('./v2/models')
  const { answer: state } = usePolled(`./v1/live/${encodeURIComponent(swarm)}`)
  const model = models?.find((one) => one.swarm === swarm && one.bee === bee.name)
  const replicas = state?.replicas.find((one) => one.bee === bee.name)
  const parts = state?.parts.find((one) => one.bee === bee.name)
  const calls = numbers?.calls[bee.name]
  const total = numbers?.bees[bee.name]
  const facts = [
    ['Type', bee.type],
    ['Reads', bee.after.length === 0 ? 'callers' : bee.after.join(', ')],
    ['Topic', bee.topic ?? 'none: its result is on the topic of the bee behind it, or in a database'],
    ['Rate', rateText(bee.topic === null ? calls?.rate : numbers?.rates[bee.topic])],
    ['Waiting', `${(numbers?.waits[bee.name] ?? 0).toLocaleString('en')} records`],
    ...(total === undefined
      ? []
      : [
          ['Wait for a call', timeText(calls?.waitMs)],
          ['Time of a call', timeText(calls?.meanMs)],
          ['Rows', `${total.rows.toLocaleString('en')}, ${total.failed.toLocaleString('en')} of them failed`],
          ['Batch', total.batch_limit > 1 ? `${calls?.batch?.toFixed(1) ?? '–'} of at most ${total.batch_limit} rows` : 'one row a call'],
        ]),
    ...(parts === undefined ? [] : [['Parts', `${parts.parts.toLocaleString('en')} published, ${bytesText(parts.bytes)}`]]),
    ...(row === null
      ? []
      : [['Replicas', `${replicas?.replicas ?? row.replicas}${row.max_replicas > row.replicas ? `, up to ${row.max_replicas}` : ''}`]]),
    ...(row?.gpu ? [['GPUs', row.gpu]] : []),
    ...(row?.timeout_seconds == null ? [] : [['Timeout', `${row.timeout_seconds} s`]]),
  ]
  return html`<div class="head"><h2>${bee.name}</h2><button onClick=${onClose}>Close</button></div>
    <${Line} values=${(numbers?.past ?? []).map((rates) => rates[bee.topic] ?? 0)} label=${`Records a second of ${bee.name} in the last minute`} />
    <dl>${facts.map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>
    ${problem && html`<p class="bad">${problem.detail}</p>`}
    ${model && html`<${Model} model=${model} />`}
    ${row && Object.keys(row.spec).length > 0 && html`<details><summary>Spec</summary><pre tabindex="0">${JSON.stringify(row.spec, null, 2)}</pre></details>`}
    <${Log} path=${`${at}/logs`} />
    ${bee.topic !== null && html`<h3>Newest records</h3><${Records} key=${bee.topic} topic=${bee.topic} most=${6} onFollow=${onFollow} />`}`
}

function Model({ model }) {
  const [said, setSaid] = useState(null)
  const reload = async () => {
    setSaid({ text: 'Looking for new versions …' })
    try {
      await answered(`./v2/models/${encodeURIComponent(model.swarm)}/bees/${encodeURIComponent(model.bee)}/reload`, { method: 'POST' })
      setSaid({ text: 'Looked for new versions.' })
    } catch (error) {
      setSaid({ isBad: true, text: error.message })
    }
  }
  const { inputs, outputs } = model.signature
  return html`<div class="head"><h3>Model</h3><button onClick=${reload}>Reload</button></div>
    <div role="status">${said && html`<p class=${said.isBad ? 'bad' : 'quiet'}>${said.text}</p>`}</div>
    <dl>
      <div><dt>File</dt><dd>${model.model}</dd></div>
      <div><dt>Runs on</dt><dd>${model.runs_on}${model.why ? ` (${model.why})` : ''}</dd></div>
      <div><dt>Takes</dt><dd><code>${inputs.join(', ') || '–'}</code></dd></div>
      <div><dt>Gives</dt><dd><code>${outputs.join(', ') || '–'}</code></dd></div>
    </dl>
    <div class="scroll" tabindex="0" role="region" aria-label="Versions"><table class="rows">
      <caption class="hidden">Versions of the model</caption>
      <thead><tr><th scope="col">Version</th><th scope="col">State</th><th scope="col">Share</th><th scope="col">Loaded</th></tr></thead>
      <tbody>${model.versions.map(
        ({ version, names, state, share, loaded_at, error }) => html`<tr key=${version}>
          <th scope="row">${version ?? 'the only one'}${names.length > 0 ? ` (${names.join(', ')})` : ''}</th>
          <td class=${state === 'refused' ? 'bad' : ''}>${state}${error ? html`<br /><small>${error.detail}</small>` : ''}</td>
          <td>${share} %</td>
          <td>${loaded_at === null ? '–' : html`<time>${new Date(loaded_at).toLocaleString()}</time>`}</td>
        </tr>`,
      )}</tbody>
    </table></div>`
}

function Log({ path }) {
  const { answer: lines, problem } = usePolled(path, 2000)
  return html`<h3>Log</h3>
    ${problem && html`<p class="bad">${problem.detail}</p>`}
    ${lines?.length === 0 && html`<p class="quiet">The bee has written nothing.</p>`}
    ${
      lines?.length > 0 &&
      html`<ol class="log" tabindex="0" aria-label="Lines of the bee’s log, the newest first">${lines
        .toReversed()
        .slice(0, 100)
        .map(
          ({ sequence, time, level, message }) =>
            html`<li key=${sequence} class=${level}><time>${new Date(time).toLocaleTimeString()}</time> <b>${level}</b> ${message}</li>`,
        )}</ol>`
    }`
}

function Line({ values, label }) {
  const most = Math.max(1, ...values)
  const points = values.map((value, at) => `${(at / 59) * 300},${40 - (value / most) * 36}`).join(' ')
  return html`<figure class="line"><svg viewBox="0 0 300 42" preserveAspectRatio="none" role="img" aria-label=${label}><polyline points=${points} /></svg><figcaption>at most ${rateText(Math.max(0, ...values))} in the last minute</figcaption></figure>`
}
