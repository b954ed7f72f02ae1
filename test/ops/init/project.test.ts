import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { writeProject } from '../../../ops/init/project.ts'
import { WaggleError } from '../../../topology/waggle-error.ts'

describe('A new project', () => {
  let directory: string
  const waggle = { name: 'waggle-streams', spec: '^0.1.0' }
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'waggle-init-'))
  })
  afterEach(() => rmSync(directory, { recursive: true }))

  for (const template of ['hello', 'teddy', 'python', 'streams'] as const) {
    it(`from the template ${template} has package.json, a test and a README, without a remaining placeholder`, () => {
      const files = writeProject({ directory: join(directory, 'My Bears'), template, waggle })
      const read = (file: string) => readFileSync(join(directory, 'My Bears', file), 'utf8')
      const manifest = JSON.parse(read('package.json')) as { readonly name: string; readonly dependencies: object; readonly scripts: object }
      assert.equal(manifest.name, 'my-bears')
      assert.deepEqual(manifest.dependencies, { 'waggle-streams': '^0.1.0' })
      assert.deepEqual(Object.keys(manifest.scripts), ['start', 'test'])
      assert.equal(files.filter((file) => file.endsWith('.test.ts')).length, 1)
      assert.ok(files.includes(template === 'streams' ? 'word-count.ts' : 'swarm.yaml'))
      assert.match(read('README.md'), /^# my-bears\n/)
      assert.doesNotMatch(read('README.md'), /\{\{/)
      // Each file that the README sends exists.
      for (const [, file = ''] of read('README.md').matchAll(/--data-binary @(\S+)/g)) assert.ok(files.includes(file), file)
    })
  }

  it('passes the type check with every template, even if it depends on a clone of Waggle', () => {
    const root = resolve(import.meta.dirname, '..', '..', '..')
    for (const template of ['hello', 'teddy', 'python', 'streams'] as const) {
      const project = join(directory, template)
      writeProject({ directory: project, template, waggle: { ...waggle, spec: `file:${root}` } })
      mkdirSync(join(project, 'node_modules', '@types'), { recursive: true })
      symlinkSync(root, join(project, 'node_modules', 'waggle-streams'))
      symlinkSync(join(root, 'node_modules', '@types', 'node'), join(project, 'node_modules', '@types', 'node'))
      const { stdout } = spawnSync(process.execPath, [join(root, 'node_modules', 'typescript', 'bin', 'tsc'), '-p', project], { encoding: 'utf8' })
      assert.equal(stdout, '', template)
    }
  })

  it('has an .npmrc that stops npm from running install scripts, which download libraries for GPUs', () => {
    for (const template of ['hello', 'teddy', 'python', 'streams'] as const) {
      const project = join(directory, template)
      assert.ok(writeProject({ directory: project, template, waggle }).includes('.npmrc'))
      const { stdout } = spawnSync('npm', ['config', 'get', 'ignore-scripts'], { cwd: project, encoding: 'utf8' })
      assert.equal(stdout.trim(), 'true', template)
    }
  })

  it('has scripts that run its program and its tests on Waggle’s own Node, with any Node on the machine', () => {
    for (const template of ['hello', 'teddy', 'python', 'streams'] as const) {
      const project = join(directory, template)
      writeProject({ directory: project, template, waggle })
      const { scripts, ...manifest } = JSON.parse(readFileSync(join(project, 'package.json'), 'utf8')) as {
        readonly scripts: { readonly [name: string]: string }
      }
      for (const script of Object.values(scripts)) assert.match(script, /^exec waggle(-node)? /)
      // With `engines`, npm would warn users of an older Node that these commands do not run there.
      assert.ok(!('engines' in manifest))
    }
  })

  it('is named after its folder, unless npm refuses that name', () => {
    for (const [folder, expected] of [
      ['Bears & Teddies', 'bears-teddies'],
      ['waggle-streams', 'my-swarm'],
      ['日本', 'my-swarm'],
    ] as const) {
      writeProject({ directory: join(directory, folder), template: 'hello', waggle })
      assert.equal((JSON.parse(readFileSync(join(directory, folder, 'package.json'), 'utf8')) as { readonly name: string }).name, expected)
    }
  })

  it('is not written into a folder that contains files', () => {
    writeFileSync(join(directory, 'mine.txt'), 'mine')
    assert.throws(
      () => writeProject({ directory, template: 'hello', waggle }),
      (thrown: unknown) => thrown instanceof WaggleError && thrown.code === 'WAGGLE_NOT_EMPTY',
    )
    assert.deepEqual(readdirSync(directory), ['mine.txt'])
  })

  it('contains the same code as the swarms of the repository', () => {
    const root = resolve(import.meta.dirname, '..', '..', '..')
    const same = (template: string, source: string) =>
      assert.ok(readFileSync(join(root, 'ops', 'init', 'templates', template)).equals(readFileSync(join(root, 'swarms', source))), template)
    same('hello/greet.ts', 'hello-world/greet.ts')
    same('hello/swarm.yaml', 'hello-world/swarm.yaml')
    same('hello/examples/hello.json', 'hello-world/examples/hello.json')
    for (const file of ['centre-square.ts', 'features.ts', 'svm.ts', 'svm.f32']) same(`teddy/svm/${file}`, `teddy-bear-detector/svm/${file}`)
  })
})
