import { html, useMemo, useRef } from 'htm/preact/standalone'
import { fitted } from './fitted-text.js'
import { layout } from './graph-layout.js'
import { countText, rateText, timeText } from './live.js'

const box = { width: 204, height: 84 }
const inside = box.width - 24
/** The space for the numbers of an edge, which are at most three lines. */
const label = { width: 60, height: 44 }

/** The swarm as a graph. While a request is in flight, `progress` maps bees to `done` or `failed`. The arrow keys move from bee to bee. */
export function Graph({ swarm, numbers, progress, selected, onSelect, isTall }) {
  const drawn = useMemo(() => layout(swarm.bees, { box, label, isTall }), [swarm, isTall])
  const topics = useMemo(() => new Map(swarm.bees.map(({ name, topic }) => [name, topic ?? ''])), [swarm])
  const stacks = useMemo(() => new Set(swarm.bees.flatMap((bee) => (bee.stacks ? bee.name : []))), [swarm])
  const figure = useRef(null)
  const tabbable = selected ?? swarm.bees[0]?.name
  const onKeyDown = (event) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key]
    if (step === undefined) return
    const bees = [...figure.current.querySelectorAll('.bee')]
    const next = bees[bees.indexOf(document.activeElement) + step]
    if (next === undefined) return
    event.preventDefault()
    next.focus()
  }
  // On a phone, a swarm of a few columns fits the window. A wider one is scrolled, because its texts would be too small.
  const least = isTall && drawn.width < 720 ? Math.min(drawn.width, 320) : drawn.width * 0.6
  const sizes = { maxWidth: `${drawn.width}px`, minWidth: `${least}px` }
  const viewBox = `0 0 ${drawn.width} ${drawn.height}`
  const rateOf = (bee) => numbers?.rates[topics.get(bee)] ?? 0
  return html`<div class=${`graph ${drawn.nodes.length > 60 ? 'many' : ''}`} style=${sizes}>
    <svg viewBox=${viewBox} aria-hidden="true">${drawn.edges.map(
      ({ from, to, path }) => html`<${Edge} key=${`${from} ${to}`} path=${path} width=${widthOf(rateOf(from))} />`,
    )}</svg>
    <${Dots} viewBox=${viewBox} edges=${drawn.edges} rateOf=${rateOf} isLit=${(bee) => progress?.get(bee) === 'done'} />
    <svg ref=${figure} viewBox=${viewBox} role="group" aria-label=${`The bees of ${swarm.name}`} onKeyDown=${onKeyDown}>
      ${drawn.edges.map(
        ({ from, to, middle }) =>
          html`<${EdgeFacts} key=${`${from} ${to}`} ...${{ from, to, middle }} waits=${numbers?.waiting[to]?.[topics.get(from)] ?? 0} calls=${stacks.has(to) ? undefined : numbers?.calls[to]} />`,
      )}
      ${drawn.nodes.map(
        ({ bee, x, y }) =>
          html`<${Node} key=${bee.name} ...${{ bee, x, y, onSelect }} calls=${numbers?.calls[bee.name]} rate=${bee.topic === null ? numbers?.calls[bee.name]?.rate : numbers?.rates[bee.topic]} waits=${numbers?.waits[bee.name] ?? 0} isMeasured=${numbers !== undefined} state=${progress?.get(bee.name)} isSelected=${selected === bee.name} isTabbable=${tabbable === bee.name} />`,
      )}
    </svg>
  </div>`
}

function widthOf(rate) {
  return Math.round(Math.min(6, 1.5 + Math.log10(1 + rate)) * 2) / 2
}

function Edge({ path, width }) {
  return useMemo(() => html`<path class="edge" d=${path} stroke-width=${width} />`, [path, width])
}

/**
 * Dots that move along the edges on which records pass. They are drawn for each frame of the screen, so they have a layer of their own, and the edges
 * that leave a bee share an element. (One element for all edges would be slow: the browser draws all of it for each tile of the screen.)
 */
function Dots({ viewBox, edges, rateOf, isLit }) {
  const moving = edges.filter(({ from }) => rateOf(from) > 0 || isLit(from))
  const paths = Map.groupBy(moving, ({ from }) => from)
  return html`<svg class="dots" viewBox=${viewBox} aria-hidden="true">${[...paths].map(
    ([from, group]) =>
      html`<path key=${from} class="edge moving" d=${group.map(({ path }) => path).join(' ')} stroke-width=${widthOf(rateOf(from)) + 0.5} />`,
  )}</svg>`
}

/**
 * The numbers of an edge: the records that wait at its end, the mean time that they wait there for a call, and the failed calls. `calls` is undefined
 * if the bee at the end has no calls, or if its calls are not counted by edge.
 */
function EdgeFacts({ from, to, middle, waits, calls }) {
  const facts = [
    ...(waits > 0 ? [{ text: countText(waits), title: `${countText(waits)} records wait` }] : []),
    ...(calls?.waitMs == null ? [] : [{ text: timeText(calls.waitMs), title: `${timeText(calls.waitMs)} until the call` }]),
    ...(calls?.failedRate > 0 ? [{ text: `✕ ${rateText(calls.failedRate)}`, title: `${rateText(calls.failedRate)} failed`, isBad: true }] : []),
  ]
  const title = `${from} → ${to}: ${facts.map((fact) => fact.title).join(', ')}`
  return useMemo(() => {
    if (facts.length === 0) return null
    const width = 12 + Math.max(...facts.map(({ text }) => text.length)) * 6.4
    const height = 4 + facts.length * 14
    return html`<g class=${`facts-of-edge ${waits > 0 ? 'waits' : ''} ${facts.at(-1).isBad ? 'failing' : ''}`} aria-hidden="true" transform=${`translate(${middle.x} ${middle.y})`}>
      <title>${title}</title>
      <rect x=${-width / 2} y=${-height / 2} width=${width} height=${height} rx="9" />
      ${facts.map(({ text, isBad }, at) => html`<text class=${isBad ? 'bad' : ''} text-anchor="middle" y=${14 * (at + 1) - height / 2 - 1}>${text}</text>`)}
    </g>`
  }, [middle, title])
}

function Node({ bee, x, y, calls, rate, waits, isMeasured, state, isSelected, isTabbable, onSelect }) {
  const facts = [...(rate === undefined && isMeasured ? [] : [rateText(rate)]), ...(calls?.meanMs == null ? [] : [timeText(calls.meanMs)])]
  const failing = calls?.failedRate > 0 ? `${rateText(calls.failedRate)} failed` : ''
  const batch = calls?.batch > 1.05 ? `× ${calls.batch.toFixed(1)}` : ''
  const below = [failing, waits > 0 ? `${countText(waits)} wait` : '', batch].filter((text) => text !== '')
  const fill = calls?.fill == null ? null : Math.round(calls.fill * 50) / 50
  const kind = ['bee', state, isSelected && 'selected', failing && 'failing'].filter(Boolean).join(' ')
  const full = fill === null ? '' : `, batches ${Math.round(fill * 100)} % full`
  const wait = calls?.waitMs == null ? '' : `, ${timeText(calls.waitMs)} until a call`
  const label = `${bee.name}, ${bee.type}, ${[...facts, ...below].join(', ')}${full}${wait}${state ? `, ${state}` : ''}`
  return useMemo(() => {
    const choose = () => onSelect(bee.name)
    const onKeyDown = (event) => {
      if (event.key !== 'Enter' && event.key !== ' ') return
      event.preventDefault()
      choose()
    }
    return html`<g class=${kind} transform=${`translate(${x - box.width / 2} ${y - box.height / 2})`} role="button" tabindex=${isTabbable ? 0 : -1} aria-pressed=${isSelected} onClick=${choose} onKeyDown=${onKeyDown}>
      <title>${label}</title>
      <rect class="box" width=${box.width} height=${box.height} rx="10" />
      <text class="name" x="12" y="21">${fitted(bee.name, inside - (state ? 18 : 0), '600 13px')}</text>
      <text class="type" x="12" y="38">${fitted(bee.type, inside, '11.5px')}</text>
      <text class="facts" x="12" y="55">${fitted(facts.join(' · '), inside, '12px')}</text>
      <text class=${failing ? 'facts failed' : 'facts'} x="12" y="71">${fitted(below.join(' · '), inside, '12px')}</text>
      ${fill !== null && html`<g class="fill"><rect x="12" y="76" width=${inside} height="3" rx="1.5" /><rect class="full" x="12" y="76" width=${inside * fill} height="3" rx="1.5" /></g>`}
      ${state && html`<text class="mark" x=${box.width - 12} y="22" text-anchor="end">${state === 'failed' ? '✕' : '✓'}</text>`}
    </g>`
  }, [bee, x, y, kind, label, isTabbable, onSelect])
}
