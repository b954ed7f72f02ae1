import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, beforeEach, describe, it } from 'node:test'
import { changedFiles, codeBounds, readCodeFiles } from '../../../ops/served/code-files.ts'
import { configuredText } from '../../../ops/served/configured-text.ts'
import { moduleSwarm } from '../../support/server-here.ts'

describe('The files of code of a swarm', () => {
  const base = mkdtempSync(join(tmpdir(), 'waggle-code-'))
  const root = join(base, 'project')
  after(() => rmSync(base, { recursive: true, force: true }))
  beforeEach(() => {
    rmSync(base, { recursive: true, force: true })
    mkdirSync(root, { recursive: true })
  })
  const write = (path: string, content: string) => {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), content)
  }
  const read = (text = moduleSwarm('swarm', './bee.mjs')) =>
    readCodeFiles(configuredText({ text, file: 'swarm.yaml', directory: null }, { root, env: {} }))
  const names = async () => Object.keys((await read()).hashes)

  it('have the same hash as long as they have the same content, and only then', async () => {
    write('bee.mjs', 'export default 1\n')
    const one = await read()
    write('bee.mjs', 'export default 2\n')
    const two = await read()
    assert.deepEqual(changedFiles(one.hashes, two), [{ file: 'bee.mjs', bees: ['work'] }])
    write('bee.mjs', 'export default 1\n')
    assert.deepEqual((await read()).hashes, one.hashes)
    assert.match(one.hashes['bee.mjs'] ?? '', /^[0-9a-f]{32}$/)
  })

  it('are those that specs name and imports lead to, also in a circle', async () => {
    write('bee.mjs', "import './lib/a.mjs'\nimport 'node:fs'\n")
    write('lib/a.mjs', "import './b.mjs'\n")
    write('lib/b.mjs', "import '../bee.mjs'\n")
    write('other.mjs', '')
    assert.deepEqual(await names(), ['bee.mjs', 'lib/a.mjs', 'lib/b.mjs'])
  })

  it('include Python, its helpers and its requirements, also those that come later', async () => {
    const text = moduleSwarm('swarm', './bee.py').replace('type: module', 'type: python').replace('{file: ./bee.py}', '{file: ./bee.py, bee: bee}')
    write('bee.py', 'import helper\n')
    write('helper.py', '')
    const before = await read(text)
    assert.deepEqual(Object.keys(before.hashes), ['bee.py', 'helper.py'])
    write('requirements.txt', 'numpy\n')
    assert.deepEqual(changedFiles(before.hashes, await read(text)), [{ file: 'requirements.txt', bees: ['work'] }])
  })

  it('leave out packages, files outside of the directory, and links that lead there', async () => {
    writeFileSync(join(base, 'outside.mjs'), '')
    symlinkSync(join(base, 'outside.mjs'), join(root, 'link.mjs'))
    write('node_modules/package/index.mjs', '')
    write('bee.mjs', "import './link.mjs'\nimport '../outside.mjs'\nimport './node_modules/package/index.mjs'\nimport './gone.mjs'\nimport './lib'\n")
    mkdirSync(join(root, 'lib'))
    assert.deepEqual(await names(), ['bee.mjs'])
  })

  it('leave out a file that the resolve: map names, because it may differ between machines', async () => {
    write('bee.mjs', '')
    write('waggle.yaml', 'resolve: {"./bee.mjs": ./elsewhere.mjs}\n')
    assert.deepEqual((await read()).hashes, {})
  })

  it('are bounded in number, size and depth, and a remark says which edits go unnoticed', async () => {
    write('bee.mjs', Array.from({ length: codeBounds.files + 5 }, (_, at) => `import './part${at}.mjs'\n`).join(''))
    for (let at = 0; at < codeBounds.files + 5; at++) write(`part${at}.mjs`, '')
    const many = await read()
    assert.equal(Object.keys(many.hashes).length, codeBounds.files)
    assert.match(many.remarks.join(), /more than 500 files of code/)
    write('bee.mjs', "import './large.mjs'\n")
    write('large.mjs', '')
    truncateSync(join(root, 'large.mjs'), 5_000_000)
    const large = await read()
    assert.deepEqual(Object.keys(large.hashes), ['bee.mjs'])
    assert.match(large.remarks.join(), /large\.mjs has more than \d+ bytes, so an edit of it goes unnoticed/)
    write('bee.mjs', "import './part0.mjs'\n")
    for (let at = 0; at < codeBounds.depth + 5; at++) write(`part${at}.mjs`, `import './part${at + 1}.mjs'\n`)
    const deep = await read()
    assert.equal(Object.keys(deep.hashes).length, codeBounds.depth + 1)
    assert.match(deep.remarks.join(), /behind more than 50 imports in a row/)
    write('bee.mjs', `import './${'long/'.repeat(52)}a.mjs'\n`)
    write(`${'long/'.repeat(52)}a.mjs`, '')
    assert.match((await read()).remarks.join(), /path has more than 250 characters/)
    write('bee.mjs', Array.from({ length: 30 }, (_, at) => `import './many${at}.mjs'\n`).join(''))
    for (let at = 0; at < 30; at++) write(`many${at}.mjs`, "import './bee.mjs'\n".repeat(1000))
    assert.match((await read()).remarks.join(), /more than 5000 imports/)
    write('bee.mjs', "import './part0.mjs'\n".repeat(1001))
    assert.match(
      (await read()).remarks.join(),
      /bee\.mjs names more imports than are followed, so an edit of the files behind the others goes unnoticed/,
    )
  })
})
