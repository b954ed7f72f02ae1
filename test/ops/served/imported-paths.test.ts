import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { importBounds, importedPaths } from '../../../ops/served/imported-paths.ts'

/** The first places of the imports of a source in /project/bees. */
const firstPlaces = (file: string, text: string) => importedPaths(`/project/bees/${file}`, text, '/project/bees').imports.map(([first]) => first)

describe('The imports of a source', () => {
  it('are found in each form of JavaScript and TypeScript, and only by relative path', () => {
    const text = `import { a } from './a.ts'
import './b.mjs'
import type { C } from "../c.ts"
export * from './d.js?raw'
const e = require('./e')
const f = await import(\`./f.ts\`)
import { readFile } from 'node:fs'
import x from 'some-package'
writeFileSync('./results.json', '')
`
    const found = ['bees/a.ts', 'bees/b.mjs', 'c.ts', 'bees/d.js', 'bees/e', 'bees/f.ts'].map((path) => `/project/${path}`)
    assert.deepEqual(firstPlaces('bee.ts', text), found)
  })

  it('may leave out the extension and the index of a folder, as require allows', () => {
    assert.deepEqual(importedPaths('/p/bee.cjs', "require('./e')", '/p').imports, [
      ['/p/e', '/p/e.js', '/p/e.json', '/p/e/index.js', '/p/e/index.json'],
    ])
  })

  it('are found in each form of Python, with the packages around them', () => {
    const text = `import helper as h, tools.cut
from shapes import circle
from . import near
from ..far import away
from wide import (
    one,
    two,
)
    import inside
`
    const names = 'helper tools tools/cut shapes shapes shapes/circle near ../far ../far ../far/away wide wide wide/one wide wide/two inside'
    const expected = names.split(' ').map((name) => (name.startsWith('..') ? `/project${name.slice(2)}.py` : `/project/bees/${name}.py`))
    assert.deepEqual(firstPlaces('bee.py', text), expected)
    assert.deepEqual(importedPaths('/project/bees/deep/bee.py', 'import helper', '/project/bees').imports, [
      ['/project/bees/deep/helper.py', '/project/bees/deep/helper/__init__.py', '/project/bees/helper.py', '/project/bees/helper/__init__.py'],
    ])
    assert.deepEqual(firstPlaces('bee.ipynb', '   "from near import x\\n",\n'), [
      '/project/bees/near.py',
      '/project/bees/near.py',
      '/project/bees/near/x.py',
    ])
  })

  it('are not searched in other files, and at most 1,000 of one file count', () => {
    assert.deepEqual(firstPlaces('data.json', "import './a.ts'"), [])
    assert.equal(firstPlaces('bee.ts', "import './a.ts'\n".repeat(1500)).length, 1000)
  })

  it('are bounded within one statement of Python too, and say that the source names more', () => {
    const long = Array(150).fill('a').join('.')
    const many = Array(990).fill('a').join(',')
    for (const [text, count] of [
      [`from ${long} import (${many})`, 1000],
      [`from a.b import (${many})`, 1000],
      [`import ${long}`, importBounds.words],
      [`from . import (${'a, '.repeat(5000)})`, 667],
      ["import './a.ts'\n".repeat(1001), 1000],
    ] as const) {
      const { imports, namesMore } = importedPaths(text.includes('./a.ts') ? '/p/bee.ts' : '/p/bee.py', text, '/p/top')
      assert.deepEqual([imports.length, namesMore], [count, true], text.slice(0, 60))
      assert.ok(imports.flat().length <= 5 * importBounds.imports)
    }
    for (const text of ["import './a.ts'\n".repeat(1000), 'from a import (b, c)', 'from a import (b'])
      assert.equal(importedPaths(text.includes('./a.ts') ? '/p/bee.ts' : '/p/bee.py', text, '/p').namesMore, false, text.slice(0, 60))
  })

  it('of a list without an end are read once, from one statement for all of its characters', () => {
    const text = 'from a import (\n'.repeat(10_000)
    const statements = Math.ceil(text.length / (2000 + 'from a import ('.length))
    // Each statement that is found makes the imports a, a and a.from, so the number of imports counts the statements.
    const { imports, namesMore } = importedPaths('/p/bee.py', text, '/p')
    assert.deepEqual([imports.length, namesMore], [3 * statements, true])
  })
})
