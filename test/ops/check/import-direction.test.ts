import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { unusedDirections, wrongImports } from '../../../ops/check/import-direction.ts'

describe('The import-direction check', () => {
  const complaints = (file: string, source: string) => wrongImports(file, source).map(({ line, message }) => `${line}: ${message}`)

  it('allows imports in the permitted direction', () => {
    assert.deepEqual(complaints('processor/task/task.ts', `import { Topology } from '../../topology/graph.ts'`), [])
    assert.deepEqual(complaints('connectors/log/x.ts', `import type { Log } from '../../processor/ports.ts'`), [])
    assert.deepEqual(complaints('ops/cli/run.ts', `const { a } = await import('../../bees/index.ts')`), [])
    assert.deepEqual(complaints('swarms/mine/bee.ts', `import { Refused } from 'waggle-streams'`), [])
  })

  it('names the line of an import in the forbidden direction, in every form of import', () => {
    assert.match(complaints('topology/a.ts', `\nimport { x } from '../processor/ports.ts'`).join(), /^2: topology imports processor\/ports\.ts/)
    assert.equal(complaints('connectors/log/a.ts', `import { Task } from '../../processor/task/task.ts'`).length, 1)
    assert.equal(complaints('bees/a.ts', `export { b } from '../connectors/b.ts'`).length, 1)
    assert.equal(complaints('processor/a.ts', `const b = await import('../ops/cli/main.ts')`).length, 1)
    assert.equal(complaints('topology/a.ts', `new Worker(new URL('../connectors/b.ts', import.meta.url))`).length, 1)
    assert.equal(complaints('connectors/a.ts', `import { defineBee } from 'waggle-streams'`).length, 1)
  })

  it('lets an example import only the package and Node', () => {
    assert.deepEqual(complaints('examples/a.ts', `import { Serdes } from 'waggle-streams'\nimport { join } from 'node:path'`), [])
    assert.equal(complaints('examples/a.ts', `import { Serdes } from '../topology/serdes.ts'`).length, 1)
    assert.equal(complaints('test/examples/a.test.ts', `import { topology } from '../../examples/a.ts'`).length, 0)
    assert.equal(complaints('ops/a.ts', `import { topology } from '../examples/a.ts'`).length, 1)
  })

  it('refuses disks, sockets and timers in folders that must use ports', () => {
    assert.equal(complaints('processor/a.ts', `import { readFileSync } from 'node:fs'`).length, 1)
    assert.equal(complaints('topology/a.ts', `import { setTimeout } from 'node:timers/promises'`).length, 1)
    assert.deepEqual(complaints('connectors/a.ts', `import { readFileSync } from 'node:fs'`), [])
  })

  it('keeps the steps of swarms out of the engine', () => {
    assert.match(
      complaints('processor/task/a.ts', `import { x } from '../swarm/accept-step.ts'`).join(),
      /^1: the engine imports processor\/swarm\/accept-step\.ts/,
    )
    assert.deepEqual(complaints('processor/swarm/a.ts', `import { x } from './accept.ts'\nimport { y } from '../operators/due-index.ts'`), [])
    assert.deepEqual(complaints('ops/beekeeper/a.ts', `import { x } from '../../processor/swarm/swarm-topology.ts'`), [])
  })

  it('names an allowed direction that no import uses', () => {
    const unused = unusedDirections(new Map([['connectors/a.ts', `import type { Log } from '../processor/ports.ts'`]]))
    assert.ok(unused.includes('connectors → topology/'))
    assert.ok(!unused.includes('connectors → processor/ports.ts'))
  })

  it('ignores imports in comments and texts', () => {
    assert.deepEqual(complaints('topology/a.ts', `// import { x } from '../ops/x.ts'\n/* export { y } from '../ops/y.ts' */`), [])
  })
})
