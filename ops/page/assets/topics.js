import { html, useState } from 'htm/preact/standalone'
import { countText } from './live.js'
import { usePolled } from './polled.js'
import { Records } from './records.js'

/** The topics of the log, and the decoded records of a chosen topic. */
export function Topics({ chosen, onChoose, onFollow }) {
  const { answer: topics, problem } = usePolled('./v1/topics')
  const [sought, setSought] = useState('')
  const found = (topics ?? []).filter(({ name }) => name.includes(sought.trim()))
  return html`<section aria-labelledby="topics-title">
      <h2 id="topics-title">Topics</h2>
      <label>Part of the name <input type="search" value=${sought} onInput=${({ target }) => setSought(target.value)} /></label>
      ${problem && html`<p class="bad">${problem.detail}</p>`}
      <div class="scroll" tabindex="0" role="region" aria-label="List of topics"><table class="rows">
        <thead><tr><th scope="col">Topic</th><th scope="col" class="number">Partitions</th><th scope="col" class="number">Records</th></tr></thead>
        <tbody>${found.slice(0, 500).map(
          ({ name, partitions, offsets }) => html`<tr key=${name} class=${name === chosen ? 'chosen' : ''}>
            <th scope="row"><button class="link" aria-pressed=${name === chosen} onClick=${() => onChoose(name)}>${name}</button></th>
            <td class="number">${partitions}</td>
            <td class="number">${countText(offsets.reduce((sum, { start, end }) => sum + end - start, 0))}</td>
          </tr>`,
        )}</tbody>
      </table></div>
      ${found.length > 500 && html`<p class="quiet">There are ${found.length - 500} more: type a part of the name.</p>`}
    </section>
    <section aria-labelledby="records-title">
      <h2 id="records-title">${chosen === null ? 'Records' : chosen}</h2>
      ${chosen === null ? html`<p class="quiet">Choose a topic.</p>` : html`<${Records} key=${chosen} topic=${chosen} onFollow=${onFollow} />`}
    </section>`
}
