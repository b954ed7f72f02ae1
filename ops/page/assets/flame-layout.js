/**
 * The layout of flame graphs: rows of bars, callers above. Frames with the same key and the same callers are one bar, as wide as their amount. `start`
 * and `width` are fractions of the whole, from 0 to 1. Bars narrower than `least` and rows below `maxDepth` are left out, so that any profile can be
 * drawn.
 */

/** The flame graph of a V8 CPU profile. Amounts are microseconds. Idle time is not shown. */
export function cpuFlames(profile, options) {
  const own = ownTimes(profile)
  const frames = new Map(profile.nodes.map((node) => [node.id, { ...frameOf(node.callFrame), own: isQuiet(node) ? 0 : (own.get(node.id) ?? 0) }]))
  for (const { id, children = [] } of profile.nodes) frames.get(id).children = children.map((child) => frames.get(child))
  const [root] = profile.nodes
  return root === undefined ? { total: 0, rows: [] } : flames(frames.get(root.id), options)
}

/** The flame graph of a V8 sample of allocations. Amounts are the bytes that were allocated in that time, those that are free again too. */
export function allocationFlames({ head }, options) {
  const root = { own: 0, children: [] }
  const waiting = [[head, root]]
  while (waiting.length > 0) {
    const [node, frame] = waiting.pop()
    frame.own = node.selfSize
    for (const child of node.children ?? []) {
      const made = { ...frameOf(child.callFrame), own: 0, children: [] }
      frame.children.push(made)
      waiting.push([child, made])
    }
  }
  return flames(root, options)
}

/**
 * The flame graph of the time of a request, as the mean of several traces: the request, its bees in the order of their steps, and the parts of their
 * time. Amounts are ms. `called` contains the bees that work in calls. Bees that work at the same time add up.
 */
export function requestFlames(traces, called, options) {
  const bees = new Map()
  for (const { steps } of traces)
    for (const { bee, waited_ms, worked_ms } of steps) {
      const known = bees.get(bee) ?? { waited: 0, worked: 0 }
      bees.set(bee, { waited: known.waited + (waited_ms ?? 0), worked: known.worked + (worked_ms ?? 0) })
    }
  const leaf = (bee, name, ms, heat) => ({ key: name, name, place: bee, own: ms / traces.length, heat, children: [] })
  const request = {
    key: 'request',
    name: 'request',
    place: `mean of ${traces.length}`,
    own: 0,
    children: [...bees].map(([bee, { waited, worked }]) => ({
      key: bee,
      name: bee,
      place: '',
      own: 0,
      children: [leaf(bee, 'waited', waited, 1), leaf(bee, called.has(bee) ? 'called' : 'worked', worked, 3)],
    })),
  }
  return flames({ own: 0, children: [request] }, { isOrdered: true, ...options })
}

function flames(root, { least = 0.003, maxDepth = 60, isOrdered = false } = {}) {
  const sums = new Map()
  // A stack may be deeper than a recursion can go, so the tree is walked, and sums are computed on the way back.
  const order = []
  const waiting = [root]
  while (waiting.length > 0) {
    const frame = waiting.pop()
    order.push(frame)
    for (const child of frame.children) waiting.push(child)
  }
  for (const frame of order.reverse())
    sums.set(
      frame,
      frame.children.reduce((sum, child) => sum + sums.get(child), frame.own),
    )
  const total = sums.get(root)
  const rows = []
  if (total > 0) lay([root], 0, 0)
  return { total, rows }

  function lay(group, depth, start) {
    if (depth >= maxDepth) return
    let at = start
    for (const { name, place, amount, own, heat, frames } of merged(group.flatMap(({ children }) => children))) {
      const width = amount / total
      if (width >= least) {
        rows[depth] ??= []
        rows[depth].push({ name, place, start: at, width, own: own / total, amount, heat: heat ?? heatOf(own / amount) })
        lay(frames, depth + 1, at)
      }
      at += width
    }
  }

  function merged(children) {
    const bars = new Map()
    for (const frame of children) {
      const bar = bars.get(frame.key) ?? { name: frame.name, place: frame.place, heat: frame.heat, amount: 0, own: 0, frames: [] }
      bars.set(frame.key, bar)
      bar.amount += sums.get(frame)
      bar.own += frame.own
      bar.frames.push(frame)
    }
    const shown = [...bars.values()].filter(({ amount }) => amount > 0)
    return isOrdered ? shown : shown.sort((one, other) => other.amount - one.amount)
  }
}

/** The share of a bar that is its own work, as one of four colours. A warmer colour means a larger share. */
function heatOf(share) {
  return Math.min(3, Math.floor(share * 4))
}

function frameOf({ functionName, url, lineNumber }) {
  return {
    key: `${functionName}\n${url}\n${lineNumber}`,
    name: functionName || '(anonymous)',
    place: url === '' ? '' : `${url}:${lineNumber + 1}`,
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
