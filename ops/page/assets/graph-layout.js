import dagre from '@dagrejs/dagre'

/**
 * The places of the bees and the edges between them. `label` is the space at the middle of an edge that stays free for its numbers. `isTall` arranges them from top to bottom, for a phone. dagre needs seconds for hundreds of
 * bees, so large swarms are arranged in columns.
 */
export function layout(bees, { box, label, isTall }) {
  const names = new Set(bees.map(({ name }) => name))
  const edges = bees.flatMap(({ name, after }) => after.flatMap((from) => (names.has(from) ? [{ from, to: name }] : [])))
  return bees.length > mostWithDagre ? byColumns(bees, edges, { box, label, isTall }) : byDagre(bees, edges, { box, label, isTall })
}

function byDagre(bees, edges, { box, label, isTall }) {
  const graph = new dagre.graphlib.Graph()
  graph.setGraph({ rankdir: isTall ? 'TB' : 'LR', nodesep: 22, edgesep: 6, ranksep: 24, marginx: 8, marginy: 8 })
  graph.setDefaultEdgeLabel(() => ({}))
  // dagre keeps nodes in plain objects, whose inherited names may be names of bees. So dagre gets numbers.
  const numbers = new Map(bees.map(({ name }, at) => [name, String(at)]))
  for (const number of numbers.values()) graph.setNode(number, { ...box })
  for (const { from, to } of edges) graph.setEdge(numbers.get(from), numbers.get(to), { ...label, labelpos: 'c' })
  dagre.layout(graph)
  const { width, height } = graph.graph()
  return {
    width: Math.max(box.width, width || 0),
    height: Math.max(box.height, height || 0),
    nodes: bees.map((bee, at) => ({ bee, x: graph.node(String(at)).x, y: graph.node(String(at)).y })),
    edges: graph.edges().map((edge) => {
      const { points, x, y } = graph.edge(edge)
      return { from: bees[edge.v].name, to: bees[edge.w].name, path: pathOf(points), middle: { x, y } }
    }),
  }
}

/** Arranges bees in columns by their longest path from an entrance. A column with many bees is split, so that the figure stays almost square. */
function byColumns(bees, edges, { box, label, isTall }) {
  const inputs = Map.groupBy(edges, ({ to }) => to)
  const ranks = new Map()
  const rankOf = (name, seen) => {
    if (ranks.has(name)) return ranks.get(name)
    // In a loop of bees there is no longest path.
    if (seen.has(name)) return 0
    const before = (inputs.get(name) ?? []).map(({ from }) => rankOf(from, new Set(seen).add(name)) + 1)
    const rank = Math.max(0, ...before)
    ranks.set(name, rank)
    return rank
  }
  // In most files a bee follows its inputs, so the recursion stays short.
  for (const { name } of bees) rankOf(name, new Set())
  const gap = isTall ? { x: 22, y: label.height + 12 } : { x: label.width + 24, y: 22 }
  const most = Math.max(8, Math.ceil(Math.sqrt(bees.length)))
  const places = new Map()
  let column = 0
  let longest = 0
  for (const [, members] of [...Map.groupBy(bees, ({ name }) => ranks.get(name))].sort(([a], [b]) => a - b)) {
    for (const [at, { name }] of members.entries()) {
      const [across, along] = [column + Math.floor(at / most), at % most]
      longest = Math.max(longest, along)
      const x = (isTall ? along : across) * (box.width + gap.x) + box.width / 2 + 8
      const y = (isTall ? across : along) * (box.height + gap.y) + box.height / 2 + 8
      places.set(name, { x, y })
    }
    column += Math.ceil(members.length / most)
  }
  const [columns, rows] = isTall ? [longest + 1, column] : [column, longest + 1]
  return {
    width: columns * (box.width + gap.x) + 16,
    height: rows * (box.height + gap.y) + 16,
    nodes: bees.map((bee) => ({ bee, ...places.get(bee.name) })),
    edges: edges.map(({ from, to }) => {
      const [a, b] = [places.get(from), places.get(to)]
      const points = isTall
        ? [
            { x: a.x, y: a.y + box.height / 2 },
            { x: b.x, y: b.y - box.height / 2 },
          ]
        : [
            { x: a.x + box.width / 2, y: a.y },
            { x: b.x - box.width / 2, y: b.y },
          ]
      return { from, to, path: pathOf(points), middle: { x: (points[0].x + points[1].x) / 2, y: (points[0].y + points[1].y) / 2 } }
    }),
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

const mostWithDagre = 150
