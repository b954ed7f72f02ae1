import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { smallModel } from '../../ops/bench/small-model.ts'

/**
 * A folder with numbered versions of a small ONNX model with four features. A version appears in one step, like a version that a deployment renames
 * into place.
 */
export class ModelVersions {
  readonly path = mkdtempSync(join(tmpdir(), 'waggle-versions-'))

  add(version: number, { labels = 2, bytes }: { readonly labels?: number; readonly bytes?: Uint8Array } = {}): void {
    const folder = join(this.path, `.${version}`)
    mkdirSync(folder)
    writeFileSync(join(folder, 'model.onnx'), bytes ?? smallModel({ features: 4, labels }))
    renameSync(folder, join(this.path, String(version)))
  }

  remove(version: number): void {
    rmSync(join(this.path, String(version)), { recursive: true })
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true })
  }
}
