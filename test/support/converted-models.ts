import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { promisify } from 'node:util'
import { type ModelKind, packagesOf } from '../../ops/convert/conversion-packages.ts'
import { ended, pythonEnvironment } from '../../ops/convert/python-environment.ts'
import { WaggleError } from '../../topology/waggle-error.ts'

const root = resolve(import.meta.dirname, '..', '..')

/** `waggle models convert` with the real libraries, and models of each library to convert. */
export class ConvertedModels {
  /** The folder of the models of `models.py`. */
  readonly folder = mkdtempSync(join(tmpdir(), 'waggle-converted-'))

  /** The ONNX file of a model. Rejects with the command's output if the command fails or if the outputs differ. */
  async of(file: string): Promise<string> {
    const onnx = join(this.folder, 'converted.onnx')
    const argv = [join(root, 'ops', 'cli', 'main.ts'), 'models', 'convert', resolve(this.folder, file), '--output', onnx, '--json']
    const { stdout } = await promisify(execFile)(process.execPath, argv, { timeout: 250_000 })
    assert.match(stdout, /"outputs":\[\{"name":"/)
    return onnx
  }
}

/** Runs tests with the Python packages of one kind. If the packages are not available, the tests are skipped with the reason; in CI they fail. */
export function describeConversion(
  name: string,
  kind: ModelKind,
  testsOf: (models: ConvertedModels) => { readonly [name: string]: () => Promise<unknown> },
): void {
  describe(name, () => {
    const models = new ConvertedModels()
    let missing: string | null = null
    before(async () => {
      try {
        const python = await pythonEnvironment({ packages: packagesOf(kind), say: () => {} })
        await ended(python, [join(root, 'test', 'ops', 'convert', 'models.py'), kind, models.folder], '')
      } catch (thrown) {
        if (!(thrown instanceof WaggleError) || process.env.CI === 'true') throw thrown
        missing = thrown.message
      }
    })
    after(() => rmSync(models.folder, { recursive: true }))
    for (const [title, run] of Object.entries(testsOf(models)))
      it(title, async (test) => {
        if (missing === null) await run()
        else test.skip(missing)
      })
  })
}
