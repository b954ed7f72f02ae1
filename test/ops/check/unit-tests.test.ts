import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { isLong, runTogether, unitTests } from '../../../ops/check/unit-tests.ts'

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

  it('includes the tests of the engine, and omits the tests of brokers', () => {
    const chosen = unitTests()
    assert.ok(chosen.includes('test/processor/commit/commit-search.test.ts'))
    assert.deepEqual(
      chosen.filter((file) => file.startsWith('test/kafka/') || file.startsWith('test/faults/kill')),
      [],
    )
  })
})

describe('A run of unit tests', () => {
  const files = Array.from({ length: 100 }, (_, at) => `${at}.test.ts`)

  it('runs each test file once, several files in a process, and at most three processes at a time', async () => {
    const ran: string[] = []
    let [running, most, processes] = [0, 0, 0]
    const status = await runTogether(files, async (group) => {
      processes++
      most = Math.max(most, ++running)
      await new Promise((resolve) => setImmediate(resolve))
      ran.push(...group)
      running--
      return 0
    })
    assert.deepEqual([status, most, processes < 20], [0, 3, true])
    assert.deepEqual(ran.toSorted(), files.toSorted())
  })

  it('has no beforeEach or afterEach outside of a describe, because these would also run for other files', () => {
    const hook = /^(beforeEach|afterEach)\(/m
    assert.deepEqual(
      unitTests().filter((file) => hook.test(readFileSync(file, 'utf8'))),
      [],
    )
  })

  it('fails if one of its processes fails, after all processes have ended', async () => {
    let processes = 0
    assert.equal(await runTogether(files, async () => (++processes === 2 ? 7 : 0)), 7)
    assert.ok(processes > 5)
  })
})
