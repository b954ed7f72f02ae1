import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, describe, it } from 'node:test'
import { pathToFileURL } from 'node:url'
import { loadBee, loadBeeWithoutSteps, loadBeeWithSteps } from '../../../bees/module/load-bee.ts'
import { openThreadedBee } from '../../../bees/module/threaded-bee.ts'
import { WaggleError } from '../../../topology/waggle-error.ts'
import { fixedReplicas } from '../../support/fixed-replicas.ts'

const index = pathToFileURL(resolve(import.meta.dirname, '..', '..', '..', 'ops', 'index.ts')).href

interface Broken {
  /** Files by name. The first file is the module. */
  readonly files: { readonly [name: string]: string }
  readonly message: RegExp
  readonly next: RegExp
  readonly export?: string
}

const broken: { readonly [what: string]: Broken } = {
  'a syntax error in TypeScript': {
    files: { 'a.ts': 'const a = 1\nconst b: number = ;\nexport default () => 1' },
    message: /a\.ts cannot be loaded: .*\(\S*\/a\.ts:2\)$/,
    next: /^Correct the module, or its path in spec\.file\.$/,
  },
  'a syntax error in JavaScript': {
    files: { 'b.mjs': 'const a = 1\n\nconst b = ;\nexport default () => 1' },
    message: /b\.mjs cannot be loaded: Unexpected token ';' \(\S*\/b\.mjs:3\)$/,
    next: /^Correct the module, or its path in spec\.file\.$/,
  },
  'a syntax error in JavaScript that it imports': {
    files: { 'c.ts': "import './c-helper.js'\nexport default () => 1", 'c-helper.js': "import './c-fine.mjs'\nexport const a = {", 'c-fine.mjs': '' },
    message: /c\.ts cannot be loaded: .*\(\S*\/c-helper\.js:2\)$/,
    next: /^Correct the module, or its path in spec\.file\.$/,
  },
  'an import of a missing file': {
    files: { 'd.ts': "// Imports.\nimport {\n  x,\n} from './nowhere.ts'\nexport default () => x" },
    message: /d\.ts cannot be loaded: Cannot find module '\S*nowhere\.ts'.* \(\S*\/d\.ts:4\)$/,
    next: /extension/,
  },
  'an import of a missing file in a module that it imports': {
    files: { 'e.ts': "import './e-helper.mjs'\nexport default () => 1", 'e-helper.mjs': "\n\nexport * from './nowhere'" },
    message: /e\.ts cannot be loaded: .* \(\S*\/e-helper\.mjs:3\)$/,
    next: /extension/,
  },
  'an import of a package that is not installed': {
    files: { 'f.ts': "\nimport _ from 'no-such-package/deep'\nexport default () => _" },
    message: /Cannot find package 'no-such-package' .* \(\S*\/f\.ts:2\)$/,
    next: /npm install no-such-package,/,
  },
  'an import of a name that is not exported': {
    files: { 'g.ts': "import { Kind } from './g-types.ts'\nexport default (kind: Kind) => kind", 'g-types.ts': 'export type Kind = string' },
    message: /does not provide an export named 'Kind' \(\S*\/g\.ts:1\)$/,
    next: /import type/,
  },
  'an import of JSON without its attribute': {
    files: { 'h.ts': "\nimport data from './h.json'\nexport default () => data", 'h.json': '{}' },
    message: /needs an import attribute of "type: json" \(\S*\/h\.ts:2\)$/,
    next: /with \{ type: 'json' \}/,
  },
  'an error while it loads': {
    files: { 'i.ts': 'const read = (): void => {\n  JSON.parse("{")\n}\nread()\nexport default () => 1' },
    message: /i\.ts cannot be loaded: Expected property name .* \(\S*\/i\.ts:2:8\)$/,
    next: /^Correct the module, or its path in spec\.file\.$/,
  },
  'an error while a module with require loads': {
    files: { 'j.ts': "import './j.cjs'\nexport default () => 1", 'j.cjs': '\nthrow new Error("at once")' },
    message: /at once \(\S*\/j\.cjs:2:7\)$/,
    next: /^Correct the module, or its path in spec\.file\.$/,
  },
  'a misuse of Waggle’s API while it loads': {
    files: { 'k.ts': `import { JoinWindows } from '${index}'\n\nJoinWindows.ofTimeDifferenceWithNoGrace(-1)\nexport default () => 1` },
    message: / \(\S*\/k\.ts:3:\d+\)$/,
    next: /^Correct the module, or its path in spec\.file\.$/,
  },
  'a thrown text': {
    files: { 'l.ts': 'throw "no bear"' },
    message: /l\.ts cannot be loaded: no bear$/,
    next: /^Correct the module, or its path in spec\.file\.$/,
  },
  'require in a module with import': {
    files: { 'm.mjs': '\nconst fs = require("node:fs")\nexport default () => fs' },
    message: /require is not defined .* \(\S*\/m\.mjs:2:\d+\)$/,
    next: /import in place of require, or name the file \.cjs/,
  },
  'module.exports in a module with import': {
    files: { 'n.mjs': "import 'node:fs'\nmodule.exports = () => 1" },
    message: /module is not defined .* \(\S*\/n\.mjs:2:1\)$/,
    next: /export default in place of module\.exports/,
  },
  'an enum': {
    files: { 'o.ts': '\nenum A { B }\nexport default () => A.B' },
    message: /enum is not supported .* \(\S*\/o\.ts:2\)$/,
    next: /only removes types/,
  },
  Python: { files: { 'p.py': 'def f(): pass' }, message: /Unknown file extension "\.py"/, next: /bee of type container/ },
  'a top-level await that never ends': {
    files: { 'q.ts': 'await new Promise(() => {})\nexport default () => 1' },
    message: /q\.ts has not loaded within 0\.3 s$/,
    next: /top-level await ends/,
  },
  'no export': { files: { 'r.ts': '' }, message: /r\.ts has no export default/, next: /export default \(input\) => output/ },
  'a different export': {
    files: { 's.ts': 'export const detect = () => 1' },
    export: 'detekt',
    message: /has no export detekt/,
    next: /It exports: detect; did you mean detect\?/,
  },
  'a number': { files: { 't.ts': 'export default 7' }, message: /The export default of \S*t\.ts is a number/, next: /Export a function/ },
  null: { files: { 'u.ts': 'export default null' }, message: /The export default of \S*u\.ts is null/, next: /Export a function/ },
  'a class': { files: { 'v.ts': 'export default class { process() {} }' }, message: /v\.ts is a class$/, next: /new TheClass/ },
  'a named class': {
    files: { 'v2.ts': 'export class Bee { process() {} }' },
    export: 'Bee',
    message: /The export Bee of \S*v2\.ts is a class$/,
    next: /new TheClass/,
  },
  'a class as process': { files: { 'w.ts': 'export default { process: class {} }' }, message: /has a class as its process$/, next: /new TheClass/ },
  'a generator': { files: { 'x.ts': 'export default function* () { yield 1 }' }, message: /is a generator$/, next: /async function\*/ },
  'a generator of batches': {
    files: { 'x2.ts': 'export const processBatch = async function* () { yield 1 }; export default { processBatch }' },
    message: /has a generator as its processBatch$/,
    next: /in place of yield/,
  },
  'a promise': { files: { 'y.ts': 'export default Promise.resolve(() => 1)' }, message: /is a promise$/, next: /export default await/ },
  'a misspelt process': { files: { 'z.ts': 'export default { proces() {} }' }, message: /it has proces$/, next: /Did you mean process\?/ },
  'a process that is not a function': {
    files: { 'z2.ts': 'export default { process: 3 }' },
    message: /has a process that is not a function$/,
    next: /Export/,
  },
}

describe('A module that cannot be a bee', () => {
  const directory = mkdtempSync(join(tmpdir(), 'waggle-load-'))
  after(() => rmSync(directory, { recursive: true, force: true }))

  for (const [what, { files, message, next, export: name = 'default' }] of Object.entries(broken)) {
    it(`is refused, and the error has the module’s file, its line and the next step: ${what}`, async () => {
      for (const [file, source] of Object.entries(files)) writeFileSync(join(directory, file), source)
      const path = join(directory, Object.keys(files)[0] ?? '')
      await assert.rejects(loadBee({ path, export: name }, 300), (error: unknown) => {
        assert.ok(error instanceof WaggleError)
        assert.equal(error.code, 'WAGGLE_INVALID_MODULE')
        assert.match(error.message, message)
        assert.match(error.next, next)
        return true
      })
    })
  }

  it('is refused with the same message when threads load it', async () => {
    for (const [file, source, message] of [
      ['thread-class.ts', 'export default class { process() {} }', /is a class$/],
      ['thread-number.ts', 'export default 7', /is a number/],
      ['thread-throws.ts', '\nthrow new Error("at once")', /at once \(\S*\/thread-throws\.ts:2:7\)$/],
    ] as const) {
      const path = join(directory, file)
      writeFileSync(path, source)
      await assert.rejects(openThreadedBee({ module: { path, export: 'default' }, bee: 'work', log: () => {} }, fixedReplicas(2)), {
        code: 'WAGGLE_INVALID_MODULE',
        message,
      })
    }
  })

  it('is refused with its file and its export if it has steps of the DSL and the bee needs none, or the other way round', async () => {
    const path = join(directory, 'steps.mjs')
    writeFileSync(path, 'export const count = { connect: (input) => input }\nexport const shout = (input) => input')
    await assert.rejects(loadBeeWithoutSteps({ path, export: 'count' }), {
      code: 'WAGGLE_INVALID_MODULE',
      message: `The export count of ${path} has steps of the DSL (connect)`,
      next: /streams/,
    })
    await assert.rejects(loadBeeWithSteps({ path, export: 'shout' }), {
      code: 'WAGGLE_INVALID_MODULE',
      message: `The export shout of ${path} is a function of requests, and has no connect`,
      next: /module/,
    })
    assert.ok('connect' in (await loadBeeWithSteps({ path, export: 'count' })))
    assert.ok('process' in (await loadBeeWithoutSteps({ path, export: 'shout' })))
  })

  it('is not confused with a CommonJS module that was compiled from export default', async () => {
    const path = join(directory, 'compiled.cjs')
    writeFileSync(path, 'exports.__esModule = true\nexports.default = () => 5')
    const bee = await loadBee({ path, export: 'default' })
    assert.ok('process' in bee)
    assert.equal(await bee.process(null, {} as never), 5)
  })
})
