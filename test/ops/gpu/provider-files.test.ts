import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { hasProviders, providerFiles } from '../../../connectors/models/gpu-providers.ts'
import { bringerOf, checkProviders, missingIn } from '../../../ops/gpu/provider-check.ts'
import { addonPlace, bringProviders } from '../../../ops/gpu/provider-files.ts'

const root = mkdtempSync(join(tmpdir(), 'waggle-gpu-test-'))
after(() => rmSync(root, { recursive: true }))

/** A Python whose pip finds only the packages in one folder. */
function pythonWith(wheels: string): string {
  const path = join(root, `python-${readdirSync(root).length}`)
  writeFileSync(path, `#!/bin/sh\nPIP_NO_INDEX=1 PIP_FIND_LINKS=${wheels} exec python3 "$@"\n`, { mode: 0o755 })
  return path
}

/** Writes a wheel of onnxruntime-gpu with these files. */
function writeWheel(folder: string, version: string, files: readonly string[]): void {
  mkdirSync(folder, { recursive: true })
  const name = `onnxruntime_gpu-${version}`
  const script = `import sys, zipfile
with zipfile.ZipFile(sys.argv[1], 'w') as wheel:
    for name in sys.argv[3:]: wheel.writestr('onnxruntime/capi/' + name, 'library ' + name)
    wheel.writestr('${name}.dist-info/METADATA', 'Metadata-Version: 2.1\\nName: onnxruntime-gpu\\nVersion: ${version}\\n')
    wheel.writestr('${name}.dist-info/WHEEL', 'Wheel-Version: 1.0\\nRoot-Is-Purelib: false\\nTag: cp312-cp312-manylinux_2_28_x86_64\\n')
    wheel.writestr('${name}.dist-info/RECORD', '')`
  execFileSync('python3', ['-c', script, join(folder, `${name}-cp312-cp312-manylinux_2_28_x86_64.whl`), '', ...files])
}

const hasPip = (() => {
  try {
    execFileSync('python3', ['-m', 'pip', '--version'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
})()

describe('The GPU providers of onnxruntime', { skip: hasPip || process.env.CI === 'true' ? false : 'there is no python3 with pip' }, () => {
  const say = () => {}

  it('come from the wheel of the same version of onnxruntime-gpu, and are copied into the folder of the addon', async () => {
    const [wheels, folder] = [join(root, 'wheels'), join(root, 'addon')]
    mkdirSync(folder)
    writeWheel(wheels, '1.2.3', providerFiles)
    writeWheel(wheels, '1.2.4', ['other.so'])
    assert.equal(hasProviders(folder), false)
    await bringProviders({ folder, version: '1.2.3' }, { python: pythonWith(wheels), say })
    assert.deepEqual(readdirSync(folder), providerFiles.toSorted())
    assert.equal(readFileSync(join(folder, providerFiles[1] ?? ''), 'utf8'), `library ${providerFiles[1]}`)
    assert.equal(hasProviders(folder), true)
  })

  it('are not installed if pip finds no such version, or if the wheel has no providers', async () => {
    const [wheels, folder] = [join(root, 'empty-wheels'), join(root, 'empty-addon')]
    mkdirSync(folder)
    writeWheel(wheels, '2.0.0', ['other.so'])
    const bring = (version: string) => bringProviders({ folder, version }, { python: pythonWith(wheels), say })
    await assert.rejects(bring('2.0.1'), { code: 'WAGGLE_GPU_SETUP', message: /No matching distribution found/, next: /pip reaches its index/ })
    await assert.rejects(bring('2.0.0'), { code: 'WAGGLE_GPU_SETUP', message: /no item named .*libonnxruntime_providers_shared\.so/ })
    assert.deepEqual(readdirSync(folder), [])
  })

  it('are not installed into a folder that is not writable', async () => {
    const wheels = join(root, 'more-wheels')
    writeWheel(wheels, '1.2.3', providerFiles)
    const folder = join(root, 'nowhere')
    await assert.rejects(bringProviders({ folder, version: '1.2.3' }, { python: pythonWith(wheels), say }), {
      code: 'WAGGLE_GPU_SETUP',
      message: /nowhere cannot be written: ENOENT/,
    })
  })
})

describe('The check of the GPU providers', () => {
  it('lists the libraries that ldd does not find', () => {
    const ldd = '\tlibcuda.so.1 => not found\n\tlibc.so.6 => /lib/libc.so.6 (0x7)\n\tlibcublas.so.13 => not found\n'
    assert.deepEqual(missingIn(ldd), ['libcublas.so.13', 'libcuda.so.1'])
    assert.deepEqual(['libcuda.so.1', 'libcublas.so.13', 'libcudnn.so.9', 'libnvinfer.so.10', 'libm.so'].map(bringerOf), [
      'the NVIDIA driver',
      'the CUDA toolkit',
      'cuDNN',
      'TensorRT',
      'a package of your system',
    ])
  })

  it('names a missing provider by its path', async () => {
    const folder = mkdtempSync(join(root, 'none-'))
    assert.deepEqual(
      (await checkProviders(folder)).map(({ missing }) => missing),
      [[join(folder, providerFiles[1] ?? '')], [join(folder, providerFiles[2] ?? '')]],
    )
  })

  it('finds the folder of the installed addon', () => {
    const { folder, version } = addonPlace()
    assert.match(version, /^\d+\.\d+\.\d+$/)
    assert.ok(process.platform !== 'linux' || readdirSync(folder).includes('onnxruntime_binding.node'))
  })
})
