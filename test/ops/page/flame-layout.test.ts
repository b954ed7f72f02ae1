import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

// The page's modules have no types.
const { cpuFlames, allocationFlames, requestFlames } = (await import(new URL('../../../ops/page/assets/flame-layout.js', import.meta.url).href)) as {
  readonly cpuFlames: (profile: object, options?: { readonly least?: number }) => Graph
  readonly allocationFlames: (profile: object) => Graph
  readonly requestFlames: (traces: readonly object[], called: ReadonlySet<string>) => Graph
}

interface Graph {
  readonly total: number
  readonly rows: readonly (readonly Bar[])[]
}

interface Bar {
  readonly name: string
  readonly start: number
  readonly width: number
  readonly own: number
  readonly amount: number
}

const node = (id: number, functionName: string, children: readonly number[] = []) => ({
  id,
  callFrame: { functionName, url: functionName.startsWith('(') ? '' : 'file:///bee.ts', lineNumber: id, columnNumber: 0 },
  children,
})

describe('The rows of a flame graph', () => {
  const nodes = [node(1, '(root)', [2, 3, 4]), node(2, '(idle)'), node(3, 'work', [5]), node(4, 'rest'), node(5, 'inner')]
  // The time after a sample belongs to the sample. The last sample has no time.
  const cpu = { nodes, samples: [2, 3, 5, 4, 2], timeDeltas: [0, 5000, 1000, 2000, 1000] }

  it('have the time of each function together with its callees, and no idle time', () => {
    const { rows, total } = cpuFlames(cpu)
    assert.equal(total, 4000)
    assert.deepEqual(
      rows.map((row) => row.map(({ name, start, width, own }) => [name, start, width, own])),
      [
        [
          ['work', 0, 0.75, 0.25],
          ['rest', 0.75, 0.25, 0.25],
        ],
        [['inner', 0, 0.5, 0.5]],
      ],
    )
  })

  it('join calls of one function from the same caller, and leave out bars that are too narrow to see', () => {
    const twice = [
      node(1, '(root)', [2, 3]),
      { ...node(2, 'work'), callFrame: node(9, 'work').callFrame },
      { ...node(3, 'work'), callFrame: node(9, 'work').callFrame },
    ]
    const samples = { nodes: twice, samples: [2, 3, 2], timeDeltas: [0, 10, 30] }
    assert.deepEqual(
      cpuFlames(samples).rows.map((row) => row.map(({ name, width }) => [name, width])),
      [[['work', 1]]],
    )
    assert.equal(cpuFlames(cpu, { least: 0.6 }).rows.flat().length, 1)
  })

  it('are empty for a thread that was idle, and bounded for a stack of any depth', () => {
    assert.deepEqual(
      cpuFlames({ nodes: nodes.slice(0, 2).map((one) => ({ ...one, children: one.id === 1 ? [2] : [] })), samples: [2, 2], timeDeltas: [0, 9] }),
      { total: 0, rows: [] },
    )
    const deep = Array.from({ length: 20_000 }, (_, at) => node(at + 1, `f${at}`, at < 19_999 ? [at + 2] : []))
    assert.equal(cpuFlames({ nodes: deep, samples: [20_000, 20_000], timeDeltas: [0, 10] }).rows.length, 60)
  })
})

describe('The flame graph of allocations', () => {
  it('has the bytes of each function together with its callees', () => {
    const frame = (id: number, name: string, selfSize: number, children: readonly object[] = []) => ({ ...node(id, name), selfSize, children })
    const head = frame(1, '(root)', 0, [frame(2, 'work', 100, [frame(3, 'inner', 300)]), frame(4, 'rest', 600)])
    const { rows, total } = allocationFlames({ head })
    assert.equal(total, 1000)
    assert.deepEqual(
      rows.map((row) => row.map(({ name, start, amount, own }) => [name, start, amount, own])),
      [
        [
          ['rest', 0, 600, 0.6],
          ['work', 0.6, 400, 0.1],
        ],
        [['inner', 0.6, 300, 0.3]],
      ],
    )
  })

  it('is bounded for a stack of any depth', () => {
    let head: object = { ...node(1, 'last'), selfSize: 1, children: [] }
    for (let at = 0; at < 20_000; at++) head = { ...node(at, `f${at}`), selfSize: 0, children: [head] }
    assert.equal(allocationFlames({ head }).rows.length, 60)
  })
})

describe('The flame graph of a request', () => {
  it('has the mean time of the traces: the request, then its bees in their order, then what they waited, called and worked', () => {
    const step = (bee: string, waited_ms: number | null, worked_ms: number | null) => ({ bee, waited_ms, worked_ms })
    const traces = [
      { steps: [step('entrance', null, 0), step('model', 10, 50), step('answer', 2, 8), step('passed', null, null)] },
      { steps: [step('entrance', null, 0), step('model', 30, 90), step('answer', 2, 8)] },
    ]
    const { rows, total } = requestFlames(traces, new Set(['model']))
    assert.equal(total, 100)
    assert.deepEqual(
      rows.map((row) => row.map(({ name, start, amount }) => [name, Number(start.toFixed(3)), amount])),
      [
        [['request', 0, 100]],
        [
          ['model', 0, 90],
          ['answer', 0.9, 10],
        ],
        [
          ['waited', 0, 20],
          ['called', 0.2, 70],
          ['waited', 0.9, 2],
          ['worked', 0.92, 8],
        ],
      ],
    )
    assert.deepEqual(requestFlames([], new Set()), { total: 0, rows: [] })
  })
})
