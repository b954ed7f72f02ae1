/**
 * The rows of a flame graph of a V8 CPU profile. Frames with the same function and the same callers are one bar, as wide as their time. `start` and
 * `width` are fractions of the whole, from 0 to 1. Bars narrower than `least` and rows below `maxDepth` are left out, so that any profile can be
 * drawn.
 */
export function flameRows(profile, { least = 0.001, maxDepth = 60 } = {}) {
  const nodes = new Map(profile.nodes.map((node) => [node.id, node]))
  const own = ownTimes(profile)
  const root = profile.nodes[0]
  if (root === undefined) return { total: 0, rows: [] }
  const times = new Map()
  // The order of children and parents in a profile is not fixed, so the tree is walked, and sums are computed on the way back.
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

/** True for a node of idle time, which is not shown. */
function isQuiet({ callFrame }) {
  return callFrame.functionName === '(idle)' || callFrame.functionName === '(root)'
}

/** For each node, the microseconds in which it was at the top of the stack. */
function ownTimes({ nodes, samples = [], timeDeltas = [] }) {
  const times = new Map()
  if (samples.length === 0) for (const { id, hitCount = 0 } of nodes) times.set(id, hitCount * 1000)
  // The time after a sample belongs to the sample's node. The last sample has no time.
  samples.forEach((id, at) => times.set(id, (times.get(id) ?? 0) + Math.max(0, timeDeltas[at + 1] ?? 0)))
  return times
}
