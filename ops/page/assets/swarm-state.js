import { html } from 'htm/preact/standalone'
import { bytesText, countText } from './live.js'
import { usePolled } from './polled.js'

/** The state of a swarm in this process: waiting records, pending joins, stores with their sizes, and the files of the log. */
export function SwarmState({ swarm }) {
  const { answer: state, problem } = usePolled(`./v1/live/${encodeURIComponent(swarm)}`)
  if (problem && state === null) return html`<p class="bad">${problem.detail}</p>`
  if (state === null) return html`<p class="quiet">Reading …</p>`
  const lags = [...Map.groupBy(state.lags, ({ bee, topic }) => JSON.stringify([bee, topic]))].map(([, rows]) => ({
    ...rows[0],
    records: rows.reduce((sum, { records }) => sum + records, 0),
    worst: rows.reduce((most, row) => (row.records > most.records ? row : most)),
  }))
  lags.sort((a, b) => b.records - a.records)
  return html`<dl>
      <div><dt>Tasks here</dt><dd>${state.tasks}</dd></div>
      ${state.database && html`<div><dt>Database</dt><dd>${bytesText(state.database.bytes)} of ${state.database.has_log ? 'stores of all swarms and records of the log' : 'stores of this swarm'}, by RocksDB’s estimate</dd></div>`}
      ${state.log && html`<div><dt>Log on disk</dt><dd>${bytesText(state.log.bytes)} of at most ${bytesText(state.log.max_bytes)}</dd></div>`}
      ${state.claims && html`<div><dt>Large payloads</dt><dd>${bytesText(state.claims.bytes)} of at most ${bytesText(state.claims.max_bytes)}</dd></div>`}
    </dl>
    <div class="columns"><${Rows} title="Consumer lag" head=${['Reader', 'Topic', 'Records', 'Most in a partition']} rows=${lags.map(({ bee, topic, records, worst }) => [bee, topic, countText(records), records === 0 ? '–' : `${countText(worst.records)} in ${worst.partition}`])} none="No task of this process reads a topic." />
    <${Rows} title="Pending joins" head=${['Bee', 'Waits for', 'Requests']} rows=${state.joins.map(({ bee, waits_for, pending, is_cut }) => [bee, waits_for.join(', '), atLeast(pending, is_cut)])} none="The swarm has no joins." />
    <${Rows} title="Stores" head=${['Store', 'Kind', 'Entries', 'Bytes committed']} rows=${state.stores.map(({ name, kind, entries, is_cut, bytes, bytes_are_cut }) => [name, kind, atLeast(entries, is_cut), `${bytes_are_cut ? '≥ ' : ''}${bytesText(bytes)}`])} none="The swarm has no stores." /></div>`
}

function atLeast(count, isCut) {
  return `${isCut ? '≥ ' : ''}${countText(count)}`
}

/** A small table. The last cell of a row is a number. */
function Rows({ title, head, rows, none }) {
  return html`<div><h3>${title}</h3>
    ${
      rows.length === 0
        ? html`<p class="quiet">${none}</p>`
        : html`<div class="scroll" tabindex="0" role="region" aria-label=${title}><table class="rows">
          <thead><tr>${head.map((name) => html`<th scope="col">${name}</th>`)}</tr></thead>
          <tbody>${rows.slice(0, 200).map(([name, ...cells]) => html`<tr><th scope="row">${name}</th>${cells.map((cell) => html`<td>${cell}</td>`)}</tr>`)}</tbody>
        </table></div>`
    }</div>`
}
