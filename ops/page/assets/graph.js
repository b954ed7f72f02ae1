import dagre from '@dagrejs/dagre'
import { html, useMemo } from 'htm/preact/standalone'
import { rateText, timeText } from './live.js'

const box = { width: 204, height: 66 }

/** The swarm as a graph. `progress` maps bees to `done` or `failed` while a request travels. */
export function Graph({ swarm, numbers, progress, selected, onSelect, isTall }) {
  const drawn = useMemo(() => layout(swarm, isTall), [swarm, isTall])
  return html`<svg class="graph" viewBox=${`0 0 ${drawn.width} ${drawn.height}`} style=${{ maxWidth: `${drawn.width}px` }} role="group" aria-label=${`The bees of ${swarm.name}`}>
    ${drawn.edges.map(({ from, path }) => {
      const rate = numbers?.rates[topicOf(swarm, from)] ?? 0
      const moving = rate > 0 || progress?.get(from) === 'done'
      return html`<g key=${path}>
        <path class="edge" d=${path} stroke-width=${Math.min(6, 1.5 + Math.log10(1 + rate))} />
        ${moving && html`<path class="edge moving" d=${path} stroke-width=${Math.min(6, 2 + Math.log10(1 + rate))} />`}
      </g>`
    })}
    ${drawn.nodes.map(({ bee, x, y }) => html`<${Node} key=${bee.name} ...${{ bee, x, y, numbers, onSelect }} state=${progress?.get(bee.name)} isSelected=${selected === bee.name} />`)}
  </svg>`
}

function Node({ bee, x, y, numbers, state, isSelected, onSelect }) {
  const calls = numbers?.calls[bee.name]
  const rate = bee.topic === null ? calls?.rate : numbers?.rates[bee.topic]
  const facts = [
    ...(rate === undefined && numbers !== undefined ? [] : [rateText(rate)]),
    ...(calls?.meanMs == null ? [] : [timeText(calls.meanMs)]),
    ...(calls?.batch > 1.05 ? [`× ${calls.batch.toFixed(1)}`] : []),
  ]
  const isFailing = calls?.failedRate > 0
  const choose = () => onSelect(bee.name)
  const onKeyDown = (event) => {
    if (event.key !== 'Enter' && event.key !== ' ') return
    event.preventDefault()
    choose()
  }
  const kind = ['bee', state, isSelected && 'selected', isFailing && 'failing'].filter(Boolean).join(' ')
  const label = `${bee.name}, ${bee.type}, ${facts.join(', ')}${isFailing ? ', failing' : ''}${state ? `, ${state}` : ''}`
  return html`<g class=${kind} transform=${`translate(${x - box.width / 2} ${y - box.height / 2})`} role="button" tabindex="0" aria-label=${label} aria-pressed=${isSelected} onClick=${choose} onKeyDown=${onKeyDown}>
    <title>${bee.name}</title>
    <rect width=${box.width} height=${box.height} rx="10" />
    <text class="name" x="12" y="22">${shortened(bee.name, 22)}</text>
    <text class="type" x="12" y="39">${shortened(bee.type, 28)}</text>
    <text class="facts" x="12" y="56">${facts.join(' · ')}${isFailing ? ` · ${rateText(calls.failedRate)} failed` : ''}</text>
    ${state && html`<text class="mark" x=${box.width - 12} y="24" text-anchor="end">${state === 'failed' ? '✕' : '✓'}</text>`}
  </g>`
}

function topicOf(swarm, name) {
  return swarm.bees.find((bee) => bee.name === name)?.topic ?? ''
}

function shortened(text, most) {
  return text.length <= most ? text : `${text.slice(0, most - 1)}…`
}

function layout(swarm, isTall) {
  const graph = new dagre.graphlib.Graph()
  graph.setGraph({ rankdir: isTall ? 'TB' : 'LR', nodesep: 22, ranksep: isTall ? 38 : 54, marginx: 8, marginy: 8 })
  graph.setDefaultEdgeLabel(() => ({}))
  for (const { name } of swarm.bees) graph.setNode(name, { ...box })
  for (const { name, after } of swarm.bees) for (const from of after) if (graph.hasNode(from)) graph.setEdge(from, name)
  dagre.layout(graph)
  const { width, height } = graph.graph()
  return {
    width: Math.max(box.width, width || 0),
    height: Math.max(box.height, height || 0),
    nodes: swarm.bees.map((bee) => ({ bee, ...graph.node(bee.name) })),
    edges: graph.edges().map((edge) => ({ from: edge.v, path: pathOf(graph.edge(edge).points) })),
  }
}

/** A smooth line through the points. */
function pathOf([first, ...rest]) {
  if (first === undefined) return ''
  const parts = [`M ${first.x} ${first.y}`]
  for (let at = 0; at < rest.length - 1; at++) {
    const [here, next] = [rest[at], rest[at + 1]]
    const end = at === rest.length - 2 ? next : { x: (here.x + next.x) / 2, y: (here.y + next.y) / 2 }
    parts.push(`Q ${here.x} ${here.y} ${end.x} ${end.y}`)
  }
  if (rest.length === 1) parts.push(`L ${rest[0].x} ${rest[0].y}`)
  return parts.join(' ')
}
