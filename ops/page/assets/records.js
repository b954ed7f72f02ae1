import { html, useEffect, useState } from 'htm/preact/standalone'
import { answered, failureOf } from './api.js'

/** Decoded records of a topic: the newest first, and older records page by page. */
export function Records({ topic, most = 20, onFollow }) {
  const [page, setPage] = useState({ records: [], before: null })
  const [problem, setProblem] = useState(null)
  const load = (before) =>
    recordsBefore(topic, before, most)
      .then((found) => {
        setPage(found)
        setProblem(null)
      })
      .catch((error) => setProblem(failureOf(error)))
  useEffect(() => void load(null), [topic])
  return html`<div class="row">
      <button onClick=${() => load(null)}>Newest</button>
      <button onClick=${() => load(page.before)} disabled=${page.before === null}>Older</button>
    </div>
    ${problem && html`<p class="bad" role="alert">${problem.detail}</p>`}
    ${!problem && page.records.length === 0 && html`<p class="quiet">The topic has no records.</p>`}
    <ul class="letters">
      ${page.records.map(
        ({ partition, offset, key, timestamp, value, headers }) => html`<li key=${`${partition}/${offset}`}>
          <p><code>${partition}/${offset}</code> <time>${new Date(timestamp).toLocaleString()}</time> ${key && html`<button class="link" onClick=${() => onFollow(key)}>${key}</button>`}</p>
          <pre tabindex="0">${pretty(value)}</pre>
          ${Object.keys(headers).length > 0 && html`<details><summary>${Object.keys(headers).length} headers</summary><dl>${Object.entries(headers).map(([name, text]) => html`<div><dt>${name}</dt><dd>${text ?? '(null)'}</dd></div>`)}</dl></details>`}
        </li>`,
      )}
    </ul>`
}

/** The records before a place, the newest first. `before` maps partitions to offsets; null means the end. */
async function recordsBefore(topic, before, most) {
  const row = (await answered('./v1/topics')).find(({ name }) => name === topic)
  if (row === undefined) return { records: [], before: null }
  const ends = row.offsets.map(({ end }, partition) => before?.get(partition) ?? end)
  const from = row.offsets.map(({ start }, partition) => Math.max(start, ends[partition] - most))
  const cursor = from.map((offset, partition) => `${partition}:${offset}`).join(',')
  // Each partition is asked for as many records as may be the newest of all. A response ends at a number of records, so each partition is asked
  // separately.
  const { records } = await answered(`./v1/topics/${encodeURIComponent(topic)}/records?max=${Math.min(1000, most * row.partitions)}&from=${cursor}`)
  const own = records.filter(({ partition, offset }) => offset < ends[partition]).sort((a, b) => b.timestamp - a.timestamp || b.offset - a.offset)
  const shown = own.slice(0, most)
  const next = new Map(
    ends.map((end, partition) => [partition, Math.min(end, ...shown.flatMap((one) => (one.partition === partition ? one.offset : [])))]),
  )
  const hasMore = [...next].some(([partition, offset]) => offset > row.offsets[partition].start)
  return { records: shown, before: hasMore && shown.length > 0 ? next : null }
}

function pretty(value) {
  if (value === null) return '(deleted)'
  if (value.length > 4000) return `${value.slice(0, 4000)} …`
  try {
    return value.length <= 100 ? value : JSON.stringify(JSON.parse(value), null, 2)
  } catch {
    return value
  }
}
