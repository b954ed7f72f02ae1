import { html, useMemo, useState } from 'htm/preact/standalone'
import { Plot } from './plot.js'
import { usePolled } from './polled.js'

/** The saved predictions of a swarm: their number by model and label, their latency, the disagreements of models, and the drift of scores. */
export function Predictions({ swarm, onFollow }) {
  const { answer: tables, problem } = usePolled('./v1/predictions', 0)
  const own = [...new Set((tables ?? []).flatMap((row) => (row.swarm === swarm ? [row.table] : [])))]
  const [hours, setHours] = useState('1')
  const [chosen, setChosen] = useState(null)
  const table = own.includes(chosen) ? chosen : own[0]
  if (problem) return html`<section class="wide"><h2>Predictions</h2><p class="bad">${problem.detail}</p></section>`
  if (tables === null) return html`<section class="wide"><h2>Predictions</h2><p class="quiet">Reading …</p></section>`
  if (table === undefined)
    return html`<section class="wide"><h2>Predictions</h2><p class="quiet">${swarm} saves no predictions. A bee of the type <code>save-to-database</code> does.</p></section>`
  return html`<section class="wide" aria-labelledby="predictions-title">
      <div class="head"><h2 id="predictions-title">Predictions in ${table}</h2>
        <div class="row">
          ${own.length > 1 && html`<label>Table <select value=${table} onChange=${({ target }) => setChosen(target.value)}>${own.map((name) => html`<option value=${name} selected=${name === table}>${name}</option>`)}</select></label>`}
          <label>Time <select value=${hours} onChange=${({ target }) => setHours(target.value)}><option value="1">the last hour</option><option value="24">the last day</option><option value="168">the last week</option><option value="672">the last four weeks</option></select></label>
        </div>
      </div>
    </section>
    <${Counts} ...${{ swarm, table, hours }} />
    <${Latency} ...${{ swarm, table, hours }} />
    <${Disagreement} ...${{ swarm, table, hours, onFollow }} />
    <${Drift} ...${{ swarm, table }} />`
}

function useQuestion(question, { swarm, table, hours }) {
  return usePolled(`./v1/predictions/${question}?${new URLSearchParams({ swarm, table, hours })}`, 10_000)
}

function Counts(asked) {
  const { answer, problem } = useQuestion('counts', asked)
  const [bee, setBee] = useState(null)
  const bees = [...new Set(answer?.rows.map((row) => row.bee) ?? [])].sort()
  const shown = bees.includes(bee) ? bee : bees[0]
  const drawn = useMemo(
    () =>
      answer &&
      linesOf(
        answer,
        answer.rows.filter((row) => row.bee === shown),
        (row) => [[row.shown_label || '(no label)', row.predictions]],
        0,
      ),
    [answer, shown],
  )
  return html`<${Card} title="By label" problem=${problem} answer=${answer}>
    ${bees.length > 1 && html`<label>Model <select value=${shown} onChange=${({ target }) => setBee(target.value)}>${bees.map((name) => html`<option value=${name} selected=${name === shown}>${name}</option>`)}</select></label>`}
    ${drawn && html`<${Plot} title=${`Predictions of ${shown} by label`} ...${drawn} />`}
  <//>`
}

function Latency(asked) {
  const { answer, problem } = useQuestion('latency', asked)
  const drawn = useMemo(
    () =>
      answer &&
      linesOf(
        answer,
        answer.rows,
        (row) => [
          [`${row.bee} median`, row.p50_ms],
          [`${row.bee} 99 %`, row.p99_ms],
        ],
        null,
      ),
    [answer],
  )
  return html`<${Card} title="Latency" problem=${problem} answer=${answer}>${drawn && html`<${Plot} title="Time of a call" unit="ms" ...${drawn} />`}<//>`
}

function Disagreement({ onFollow, ...asked }) {
  const { answer, problem } = useQuestion('disagreement', asked)
  const { answer: newest } = useQuestion('disagreements', asked)
  const drawn = useMemo(
    () =>
      answer &&
      linesOf(
        answer,
        answer.rows,
        (row) => [['requests whose models disagree', row.requests > 0 ? (100 * row.disagreeing) / row.requests : null]],
        null,
      ),
    [answer],
  )
  return html`<${Card} title="Disagreement between models" problem=${problem} answer=${answer} none="No request has predictions of several models.">
    ${drawn && html`<${Plot} title="Requests whose models chose different labels" unit="%" ...${drawn} />`}
    ${
      newest?.rows.length > 0 &&
      html`<h3>The newest of them</h3><ul class="requests">${newest.rows.map(
        ({ at, request_id, labels }) => html`<li key=${request_id}><button class="link" onClick=${() => onFollow(request_id)}>${request_id}</button>
          <span class="quiet">${Object.entries(labels)
            .map(([bee, label]) => `${bee}: ${label}`)
            .join(', ')}</span> <time>${new Date(Number(at)).toLocaleString()}</time></li>`,
      )}</ul>`
    }
  <//>`
}

function Drift(asked) {
  const { answer, problem } = useQuestion('drift', { ...asked, hours: '168' })
  return html`<${Card} title="Drift against the week before" problem=${problem} answer=${answer} none="There are no two weeks to compare yet.">
    <div class="scroll" tabindex="0" role="region" aria-label="Drift"><table class="rows">
      <thead><tr><th scope="col">Model</th><th scope="col">Label</th><th scope="col" class="number">Mean score</th><th scope="col" class="number">Before</th><th scope="col" class="number">Stability index</th></tr></thead>
      <tbody>${answer?.rows.slice(0, 50).map(
        ({ bee, label, mean_score: now, mean_score_before: before, population_stability: index }) => html`<tr>
          <th scope="row">${bee}</th><td>${label}</td><td class="number">${now?.toFixed(3)}</td><td class="number">${before?.toFixed(3)}</td>
          <td class=${`number ${index > 0.25 ? 'bad' : ''}`}>${index?.toFixed(3)}</td></tr>`,
      )}</tbody>
    </table></div>
    <p class="quiet">Below 0.1 the scores are as before; above 0.25 much has changed.</p>
  <//>`
}

function Card({ title, problem, answer, none = 'There are no predictions in this time.', children }) {
  const isEmpty = answer !== null && answer.rows.length === 0
  return html`<section aria-label=${title}><h2>${title}</h2>
    ${problem && html`<p class="bad">${problem.detail}</p>`}
    ${answer === null && !problem && html`<p class="quiet">Reading …</p>`}
    ${isEmpty && html`<p class="quiet">${none}</p>`}
    ${answer !== null && !isEmpty && children}
    ${answer?.cut && html`<p class="quiet">The answer is cut: it has the first ${answer.rows.length} rows.</p>`}
  </section>`
}

/** One line for each label in the rows. `missing` is the value at times without a row. */
function linesOf({ from, to, step_ms: step }, rows, valuesOf, missing) {
  if (rows.length === 0) return null
  const times = Array.from({ length: Math.round((to - from) / step) }, (_, at) => from + at * step)
  const lines = new Map()
  for (const row of rows) {
    const place = Math.round((Number(row.at) - from) / step)
    for (const [label, value] of valuesOf(row)) {
      const values = lines.get(label) ?? times.map(() => missing)
      lines.set(label, values)
      if (place >= 0 && place < times.length) values[place] = value === null ? null : Number(value)
    }
  }
  return { times, series: [...lines].map(([label, values]) => ({ label, values })) }
}
