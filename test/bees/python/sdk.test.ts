import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { skipWithoutPython } from '../../support/python-bee.ts'
import { installedPythons } from '../../support/python-environment.ts'
import { sdk, sdkEnvironment, sdkPython } from '../../support/python-sdk.ts'

const tests = join(import.meta.dirname, 'sdk')
const found = skipWithoutPython === false ? sdkPython() : { missing: skipWithoutPython }
const python = 'python' in found ? found.python : ''
const skip = 'missing' in found ? found.missing : false

describe('The Python SDK', { skip: skipWithoutPython }, () => {
  const directory = mkdtempSync(join(tmpdir(), 'waggle-sdk-'))
  after(() => rmSync(directory, { recursive: true }))

  it('passes its tests with numpy', { skip }, () => {
    done(python, ['-W', 'ignore', '-m', 'unittest', 'discover', tests])
  })

  const pythons = [...installedPythons(['3.9', '3.10', '3.11', '3.12', '3.13'])]
  for (const [version, interpreter] of pythons)
    it(`passes its tests on Python ${version} without any package`, () => {
      done(interpreter, ['-W', 'ignore', '-m', 'unittest', 'discover', tests])
    })

  // Each of these tests starts a process, which takes long. So only the first and the last version are tested.
  for (const [version, interpreter] of new Map([pythons[0], pythons.at(-1)].filter((one) => one !== undefined)))
    it(`runs bees of all kinds on Python ${version}`, () => {
      done(interpreter, ['-W', 'ignore', '-m', 'unittest', 'discover', join(tests, 'processes')])
    })

  it('passes mypy in strict mode', { skip }, () => {
    done(python, ['-m', 'mypy', '--config-file', join(sdk, 'pyproject.toml'), '--cache-dir', join(directory, 'mypy'), join(sdk, 'src', 'waggle')])
  })

  const distributions = { wheel: 'waggle_streams-0.1.0-py3-none-any.whl', 'source distribution': 'waggle_streams-0.1.0.tar.gz' }
  const dist = join(directory, 'dist')

  it('builds a source distribution and a wheel', { skip }, () => {
    const copy = join(directory, 'copy')
    cpSync(sdk, copy, { recursive: true })
    done(python, ['-m', 'build', '--no-isolation', '--outdir', dist, copy])
    assert.deepEqual(readdirSync(dist).sort(), Object.values(distributions).sort())
  })

  for (const [kind, file] of Object.entries(distributions))
    it(`can be installed from its ${kind} with its types and its pytest plugin`, { skip }, () => installs(file))

  function installs(file: string): void {
    const home = join(directory, `installed-${file}`)
    done(python, ['-m', 'venv', '--system-site-packages', home])
    const own = join(home, 'bin', 'python')
    // A source distribution is built with the setuptools of the tests, so that the test needs no network.
    const tools = done(python, ['-c', 'import sysconfig; print(sysconfig.get_path("purelib"))']).trim()
    done(own, ['-m', 'pip', 'install', '--quiet', '--no-index', '--no-build-isolation', join(dist, file)], {
      PYTHONPATH: file.endsWith('.whl') ? '' : tools,
    })
    write('bee.py', 'from waggle import register_bee\n\n@register_bee(name="double")\ndef double(payload: int) -> int:\n    return payload * 2\n')
    write(
      'test_bee.py',
      'from bee import double\n\ndef test_double(swarm):\n    assert swarm.call(double, 21) == 42\n    assert swarm.published == [42]\n',
    )
    // The packages of the tests are in the environment that has made this environment.
    const env = { PYTHONPATH: tools }
    assert.match(done(own, ['-m', 'pytest', '-q', '-p', 'no:cacheprovider', join(directory, 'test_bee.py')], env), /1 passed/)
    write('typed.py', 'from waggle import get_secret, Gateway\n\nsecret: str = get_secret("a")\nwrong: int = Gateway().submit(1, gateway="g")\n')
    const { stdout } = spawnSync(own, ['-m', 'mypy', '--strict', '--cache-dir', join(directory, 'mypy'), join(directory, 'typed.py')], {
      encoding: 'utf8',
      env: { ...sdkEnvironment, ...env },
    })
    assert.match(stdout, /typed\.py:4: error: Incompatible types in assignment \(expression has type "str", variable has type "int"\)/)
    assert.match(stdout, /Found 1 error/)
  }

  function write(name: string, text: string): void {
    writeFileSync(join(directory, name), text)
  }
})

/** The output of a command that succeeds. */
function done(command: string, args: readonly string[], env: Readonly<Record<string, string>> = {}): string {
  const { status, stdout, stderr } = spawnSync(command, args, { encoding: 'utf8', env: { ...sdkEnvironment, ...env }, cwd: tmpdir() })
  assert.equal(status, 0, `${command} ${args.join(' ')}\n${stdout}${stderr}`)
  return stdout
}
