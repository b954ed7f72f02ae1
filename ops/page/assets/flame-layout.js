/**
 * The rows of a flame graph of a V8 CPU profile: frames with the same function and the same callers are one bar, as wide as their time. `start` and `width`
 * are parts of the whole, from 0 to 1. Bars narrower than `least` and rows below `maxDepth` are left out, so that any profile can be drawn.
 */
export function flameRows(profile, { least = 0.001, maxDepth = 60 } = {}) {
  const nodes = new Map(profile.nodes.map((node) => [node.id, node]))
  const own = ownTimes(profile)
  const root = profile.nodes[0]
  if (root === undefined) return { total: 0, rows: [] }
  const times = new Map()
  // Children come after their parents in no certain order, so the tree is walked, and sums are made on the way back.
  const order = []
  const waiting = [root]
  while (waiting.length > 0) {
    const node = waiting.pop()
    order.push(node)
    for (const id of node.children ?? []) waiting.push(nodes.get(id))
  }
  for (const node of order.reverse())
    times.set(
      node.id,
      (node.children ?? []).reduce((sum, id) => sum + times.get(id), isQuiet(node) ? 0 : (own.get(node.id) ?? 0)),
    )
  const total = times.get(root.id)
  const rows = []
  if (total > 0) lay([root], 0, 0)
  return { total, rows }

  function lay(group, depth, start) {
    if (depth >= maxDepth) return
    let at = start
    for (const bar of merged(group.flatMap(({ children = [] }) => children.map((id) => nodes.get(id))))) {
      const width = bar.time / total
      if (width >= least) {
        rows[depth] ??= []
        rows[depth].push({ name: bar.name, place: bar.place, start: at, width, own: bar.own / total, ms: bar.time / 1000 })
        lay(bar.nodes, depth + 1, at)
      }
      at += width
    }
  }

  function merged(children) {
    const bars = new Map()
    for (const node of children) {
      const { functionName, url, lineNumber } = node.callFrame
      const key = `${functionName}\n${url}\n${lineNumber}`
      const bar = bars.get(key) ?? {
        name: functionName || '(anonymous)',
        place: url === '' ? '' : `${url}:${lineNumber + 1}`,
        time: 0,
        own: 0,
        nodes: [],
      }
      bars.set(key, bar)
      bar.time += times.get(node.id)
      bar.own += own.get(node.id) ?? 0
      bar.nodes.push(node)
    }
    return [...bars.values()].filter(({ time }) => time > 0).sort((one, other) => other.time - one.time)
  }
}

/** Time in which nothing ran is no part of the graph. */
function isQuiet({ callFrame }) {
  return callFrame.functionName === '(idle)' || callFrame.functionName === '(root)'
}

/** The microseconds for which each node was at the top. */
function ownTimes({ nodes, samples = [], timeDeltas = [] }) {
  const times = new Map()
  if (samples.length === 0) for (const { id, hitCount = 0 } of nodes) times.set(id, hitCount * 1000)
  // The time after a sample is that of its node. The last sample has none.
  samples.forEach((id, at) => times.set(id, (times.get(id) ?? 0) + Math.max(0, timeDeltas[at + 1] ?? 0)))
  return times
}
