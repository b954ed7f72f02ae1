import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

// The page's modules have no types.
const { flameRows } = (await import(new URL('../../../ops/page/assets/flame-layout.js', import.meta.url).href)) as {
  readonly flameRows: (
    profile: object,
    options?: { readonly least?: number },
  ) => { readonly total: number; readonly rows: readonly (readonly Bar[])[] }
}

interface Bar {
  readonly name: string
  readonly start: number
  readonly width: number
  readonly own: number
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
    const { rows, total } = flameRows(cpu)
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
      flameRows(samples).rows.map((row) => row.map(({ name, width }) => [name, width])),
      [[['work', 1]]],
    )
    assert.equal(flameRows(cpu, { least: 0.6 }).rows.flat().length, 1)
  })

  it('are empty for a thread that was idle, and bounded for a stack of any depth', () => {
    assert.deepEqual(
      flameRows({ nodes: nodes.slice(0, 2).map((one) => ({ ...one, children: one.id === 1 ? [2] : [] })), samples: [2, 2], timeDeltas: [0, 9] }),
      { total: 0, rows: [] },
    )
    const deep = Array.from({ length: 20_000 }, (_, at) => node(at + 1, `f${at}`, at < 19_999 ? [at + 2] : []))
    assert.equal(flameRows({ nodes: deep, samples: [20_000, 20_000], timeDeltas: [0, 10] }).rows.length, 60)
  })
})
