import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { join, resolve } from 'node:path'
import { describe, it } from 'node:test'
import { hasProviders, providerFolder } from '../../../connectors/models/gpu-providers.ts'
import { setupGpu } from '../../../ops/cli/setup-gpu.ts'
import type { ProviderState } from '../../../ops/gpu/provider-check.ts'

const main = resolve(import.meta.dirname, '..', '..', '..', 'ops', 'cli', 'main.ts')

function check(...argv: readonly string[]): Promise<{ readonly status: number | string | null; readonly out: string }> {
  return new Promise((settle) => {
    execFile(process.execPath, [main, 'models', 'setup-gpu', '--check', ...argv], (error, out) => settle({ status: error?.code ?? 0, out }))
  })
}

describe('waggle models setup-gpu', () => {
  const isLinux = process.platform === 'linux' && process.arch === 'x64'

  it('with --check prints the missing libraries of each provider, and exits with 1 if no provider can be loaded', {
    skip: isLinux ? false : 'linux-x64 only',
  }, async () => {
    const { status, out } = await check('--json')
    const { folder, providers } = JSON.parse(out) as { readonly folder: string; readonly providers: readonly ProviderState[] }
    assert.equal(folder, providerFolder())
    assert.deepEqual(
      providers.map(({ provider }) => provider),
      ['cuda', 'tensorrt'],
    )
    assert.equal(status, providers.some(({ missing }) => missing.length === 0) ? 0 : 1)
    if (hasProviders(folder)) return
    for (const { provider, missing } of providers) assert.deepEqual(missing, [join(folder, `libonnxruntime_providers_${provider}.so`)])
    const { out: text } = await check()
    assert.match(
      text,
      /^onnxruntime \d+\.\d+\.\d+, providers in .*\n {2}cuda misses\n {4}\/.*providers_cuda\.so, of onnxruntime-gpu\n {2}tensorrt misses\n/,
    )
  })

  it('is refused on a platform for which onnxruntime has no providers', async () => {
    const platform = Object.getOwnPropertyDescriptor(process, 'platform')
    assert.ok(platform)
    Object.defineProperty(process, 'platform', { ...platform, value: 'darwin' })
    try {
      await assert.rejects(setupGpu({ check: true, json: true }), {
        code: 'WAGGLE_GPU_SETUP',
        message: /no GPU providers for darwin/,
        next: /linux-x64/,
      })
    } finally {
      Object.defineProperty(process, 'platform', platform)
    }
  })
})
