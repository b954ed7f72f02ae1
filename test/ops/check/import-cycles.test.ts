import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { complaints, folderCycles, importCycles } from '../../../ops/check/import-cycles.ts'

describe('The import-cycle check', () => {
  const cyclesOf = (sources: { readonly [file: string]: string }) => importCycles(new Map(Object.entries(sources)))

  it('finds files that import each other, directly or through a third file', () => {
    assert.deepEqual(cyclesOf({ 'ops/a.ts': `import { b } from './b.ts'`, 'ops/b.ts': `import { a } from './a.ts'` }), [['ops/a.ts', 'ops/b.ts']])
    assert.deepEqual(
      cyclesOf({
        'ops/a.ts': `import {\n  b,\n} from './b.ts'`,
        'ops/b.ts': `export { c } from './c.ts'`,
        'ops/c.ts': `import './a.ts'`,
        'ops/d.ts': `import { a } from './a.ts'`,
      }),
      [['ops/a.ts', 'ops/b.ts', 'ops/c.ts']],
    )
  })

  it('counts an import of a value that is imported together with a type', () => {
    assert.equal(cyclesOf({ 'ops/a.ts': `import { type B, b } from './b.ts'`, 'ops/b.ts': `import { a } from './a.ts'` }).length, 1)
  })

  it('allows cycles of type-only and dynamic imports', () => {
    assert.deepEqual(cyclesOf({ 'ops/a.ts': `import type { B } from './b.ts'`, 'ops/b.ts': `import { a } from './a.ts'` }), [])
    assert.deepEqual(cyclesOf({ 'ops/a.ts': `export type { B } from './b.ts'`, 'ops/b.ts': `import { a } from './a.ts'` }), [])
    assert.deepEqual(cyclesOf({ 'ops/a.ts': `const b = await import('./b.ts')`, 'ops/b.ts': `import { a } from './a.ts'` }), [])
  })

  it('separates two cycles even if a file of one imports the other', () => {
    assert.deepEqual(
      cyclesOf({
        'ops/a.ts': `import './b.ts'`,
        'ops/b.ts': `import './a.ts'\nimport './c.ts'`,
        'ops/c.ts': `import './d.ts'`,
        'ops/d.ts': `import './c.ts'`,
      }),
      [
        ['ops/c.ts', 'ops/d.ts'],
        ['ops/a.ts', 'ops/b.ts'],
      ],
    )
  })

  it('finds folders of processor/ that import each other, even by types, but ignores single files and folders of ops/', () => {
    const foldersOf = (sources: { readonly [file: string]: string }) => folderCycles(new Map(Object.entries(sources)))
    assert.deepEqual(
      foldersOf({
        'processor/task/task.ts': `import { each } from '../operators/streams/each.ts'`,
        'processor/operators/streams/each.ts': `import type { Task } from '../../task/task.ts'`,
      }),
      [['processor/operators', 'processor/task']],
    )
    assert.deepEqual(
      foldersOf({
        'processor/task/task.ts': `import type { Log } from '../ports.ts'\nimport { run } from './run.ts'`,
        'processor/ports.ts': `import type { Task } from './task/task.ts'`,
        'ops/cli/main.ts': `import '../config/config.ts'`,
        'ops/config/config.ts': `import '../cli/main.ts'`,
      }),
      [],
    )
  })

  it('accepts a listed cycle, and fails if the cycle has grown or no longer exists', () => {
    const allowance = [{ why: 'they construct each other', files: ['ops/a.ts', 'ops/b.ts'] }]
    assert.deepEqual(complaints([['ops/a.ts', 'ops/b.ts']], allowance), [])
    const [grown = '', gone = ''] = complaints([['ops/a.ts', 'ops/b.ts', 'ops/c.ts']], allowance)
    assert.match(grown, /ops\/c\.ts/)
    assert.match(gone, /is not there/)
    assert.equal(complaints([], allowance).length, 1)
  })
})
