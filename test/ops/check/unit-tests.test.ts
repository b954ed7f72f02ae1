import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { isLong, unitTests } from '../../../ops/check/unit-tests.ts'

describe('The choice of unit tests', () => {
  const files: { readonly [file: string]: string } = {
    'test/a.test.ts': `import { b } from './support/b.ts'`,
    'test/support/b.ts': `import { spawn } from 'node:child_process'`,
    'test/c.test.ts': `import { d } from '../topology/d.ts'`,
    'topology/d.ts': `import { c } from '../topology/d.ts'`,
    'test/e.test.ts': `import { Streams } from 'waggle-streams'`,
    'test/f.test.ts': `import { commitSteps } from '../processor/simulation/crash.ts'`,
    'ops/index.ts': `export { run } from './run.ts'`,
    'ops/run.ts': `await import('node:child_process')`,
  }
  const leavesOut = (file: string) => isLong(file, (path) => files[path] ?? null)

  it('omits a test whose imports can start a process, at any depth', () => {
    assert.equal(leavesOut('test/a.test.ts'), true)
    assert.equal(leavesOut('test/e.test.ts'), true)
  })

  it('omits a test that crashes at each step', () => {
    assert.equal(leavesOut('test/f.test.ts'), true)
  })

  it('includes a test that only computes, even if its imports form a cycle', () => {
    assert.equal(leavesOut('test/c.test.ts'), false)
  })

  it('includes the tests of the engine and omits those of brokers', () => {
    const chosen = unitTests()
    assert.ok(chosen.includes('test/processor/commit/commit-search.test.ts'))
    assert.deepEqual(
      chosen.filter((file) => file.startsWith('test/kafka/') || file.startsWith('test/faults/kill')),
      [],
    )
  })
})
