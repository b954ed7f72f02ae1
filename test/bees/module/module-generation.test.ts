import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { importModule } from '../../../bees/module/module-import.ts'

describe('A module that is imported again in the same process', () => {
  const directory = mkdtempSync(join(tmpdir(), 'waggle-generation-'))
  after(() => rmSync(directory, { recursive: true, force: true }))
  const write = (file: string, source: string) => writeFileSync(join(directory, file), source)
  const read = async (file: string) => (await importModule(join(directory, file))).default

  it('is the same object as long as its file is unchanged', async () => {
    write('same.mjs', 'export default {}\n')
    assert.equal(await read('same.mjs'), await read('same.mjs'))
  })

  it('is a new object when its file has changed', async () => {
    write('changed.mjs', 'export default 1\n')
    assert.equal(await read('changed.mjs'), 1)
    write('changed.mjs', 'export default 22\n')
    assert.equal(await read('changed.mjs'), 22)
  })

  it('is a new object when a file that it imports has changed', async () => {
    write('helper.mjs', 'export const word = "old"\n')
    write('outer.mjs', "import { word } from './helper.mjs'\nexport default word\n")
    assert.equal(await read('outer.mjs'), 'old')
    write('helper.mjs', 'export const word = "newer"\n')
    assert.equal(await read('outer.mjs'), 'newer')
  })

  it('is a new object when it is a CommonJS module and its file has changed', async () => {
    write('plain.cjs', 'module.exports = 1\n')
    assert.equal(await read('plain.cjs'), 1)
    write('plain.cjs', 'module.exports = 22\n')
    assert.equal(await read('plain.cjs'), 22)
  })

  it('is a new object when a file that it requires has changed, also a JSON file, and keeps its packages', async () => {
    mkdirSync(join(directory, 'node_modules', 'counted'), { recursive: true })
    write('node_modules/counted/index.js', 'module.exports = {}\n')
    write('required.cjs', 'module.exports = "old"\n')
    write('word.json', '"old"\n')
    write('outer.cjs', "module.exports = [require('./required.cjs'), require('./word.json'), require('counted')]\n")
    const [word, text, before] = (await read('outer.cjs')) as readonly unknown[]
    assert.deepEqual([word, text], ['old', 'old'])
    write('required.cjs', 'module.exports = "newer"\n')
    write('word.json', '"newest"\n')
    const [newer, newest, after] = (await read('outer.cjs')) as readonly unknown[]
    assert.deepEqual([newer, newest], ['newer', 'newest'])
    assert.equal(after, before)
  })

  it('is a new object behind an ES module that imports it', async () => {
    write('inner.cjs', 'exports.word = "old"\n')
    write('around.mjs', "import inner from './inner.cjs'\nexport default inner.word\n")
    assert.equal(await read('around.mjs'), 'old')
    write('inner.cjs', 'exports.word = "newer"\n')
    assert.equal(await read('around.mjs'), 'newer')
  })

  it('is a new object when a file that its function imports or requires later has changed', async () => {
    write('later.mjs', 'export default "old"\n')
    write('later.cjs', 'module.exports = "old"\n')
    write('lazy.cjs', "module.exports = () => require('./later.cjs')\n")
    write('lazy.mjs', "import required from './lazy.cjs'\nexport default async () => [(await import('./later.mjs')).default, required()]\n")
    const words = async () => ((await read('lazy.mjs')) as () => Promise<readonly string[]>)()
    assert.deepEqual(await words(), ['old', 'old'])
    write('later.mjs', 'export default "newer"\n')
    assert.deepEqual(await words(), ['newer', 'old'])
    write('later.cjs', 'module.exports = "newest"\n')
    assert.deepEqual(await words(), ['newer', 'newest'])
  })

  it('appears in errors with its file name, without the number of its generation', async () => {
    write('wrong.mjs', 'export default 1\n')
    await read('wrong.mjs')
    write('wrong.mjs', "throw new Error('it is wrong')\n")
    await assert.rejects(read('wrong.mjs'), (error: Error) => {
      assert.match(error.message, /wrong\.mjs cannot be loaded: it is wrong \(.*wrong\.mjs:1:7\)$/)
      return true
    })
  })

  it('shares Waggle’s own modules with its earlier generation', async () => {
    const own = join(import.meta.dirname, '..', '..', '..', 'topology', 'waggle-error.ts')
    write('own.mjs', `export { WaggleError as default } from ${JSON.stringify(own)}\n`)
    const before = await read('own.mjs')
    write('own.mjs', `export { WaggleError as default } from ${JSON.stringify(own)} // edited\n`)
    assert.equal(await read('own.mjs'), before)
  })
})
