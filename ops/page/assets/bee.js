import { html, useEffect, useState } from 'htm/preact/standalone'
import { answered, failureOf } from './api.js'
import { rateText, timeText } from './live.js'

/** One bee: its numbers, and the newest records of its topic. */
export function Bee({ bee, numbers, onFollow, onClose }) {
  const [records, setRecords] = useState(null)
  const load = () => {
    if (bee.topic === null) return
    newest(bee.topic)
      .then((found) => setRecords({ found }))
      .catch((error) => setRecords({ problem: failureOf(error) }))
  }
  useEffect(() => {
    setRecords(null)
    load()
  }, [bee.name])
  const calls = numbers?.calls[bee.name]
  const total = numbers?.bees[bee.name]
  const facts = [
    ['Type', bee.type],
    ['Topic', bee.topic ?? 'none: its result is on the topic of the bee behind it, or in a database'],
    ['Rate', rateText(bee.topic === null ? calls?.rate : numbers?.rates[bee.topic])],
    ...(total === undefined
      ? []
      : [
          ['Time of a call', timeText(calls?.meanMs)],
          ['Rows, failed', `${total.rows}, ${total.failed}`],
          ['Largest batch', total.batch_limit],
        ]),
  ]
  return html`<div class="head"><h2>${bee.name}</h2><button onClick=${onClose}>Close</button></div>
    <${Line} values=${(numbers?.past ?? []).map((rates) => rates[bee.topic] ?? 0)} label=${`Records a second of ${bee.name} in the last minute`} />
    <dl>${facts.map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>
    ${bee.topic !== null && html`<div class="head"><h3>Newest records</h3><button onClick=${load}>Reload</button></div>`}
    ${records?.problem && html`<p class="bad">${records.problem.detail}</p>`}
    <ul class="letters">
      ${(records?.found ?? []).map(
        ({ partition, offset, key, timestamp, value }) => html`<li key=${`${partition}/${offset}`}>
          <p><code>${partition}/${offset}</code> <time>${new Date(timestamp).toLocaleTimeString()}</time> ${key && html`<button class="link" onClick=${() => onFollow(key)}>${key}</button>`}</p>
          <pre tabindex="0">${(value ?? '(deleted)').slice(0, 2000)}</pre>
        </li>`,
      )}
    </ul>`
}

async function newest(topic) {
  const row = (await answered('./v1/topics')).find(({ name }) => name === topic)
  if (row === undefined) return []
  const from = row.offsets.map(({ start, end }, partition) => `${partition}:${Math.max(start, end - 3)}`).join(',')
  const { records } = await answered(`./v1/topics/${encodeURIComponent(topic)}/records?max=20&from=${from}`)
  return records.sort((a, b) => b.timestamp - a.timestamp).slice(0, 6)
}

function Line({ values, label }) {
  const most = Math.max(1, ...values)
  const points = values.map((value, at) => `${(at / 59) * 300},${40 - (value / most) * 36}`).join(' ')
  return html`<figure class="line"><svg viewBox="0 0 300 42" preserveAspectRatio="none" role="img" aria-label=${label}><polyline points=${points} /></svg><figcaption>at most ${rateText(Math.max(0, ...values))}</figcaption></figure>`
}
