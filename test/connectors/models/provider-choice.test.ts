import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { onFirstProvider } from '../../../connectors/models/provider-choice.ts'

describe('The provider that runs an ONNX model', () => {
  /** The chosen provider on a machine with these providers, and the providers that were tried. */
  async function chosen(gpu: number, there: readonly string[], hasGpuProviders = true) {
    const tried: string[] = []
    const choice = await onFirstProvider({
      gpu,
      hasGpuProviders,
      async open(provider) {
        tried.push(provider)
        if (!there.includes(provider)) throw new Error(`Failed to load lib${provider}.so\nin some place of its sources`)
        return provider
      },
    })
    return { ...choice, tried }
  }

  it('is TensorRT, else CUDA, if the bee asks for a GPU', async () => {
    assert.deepEqual(await chosen(1, ['tensorrt', 'cuda', 'cpu']), {
      opened: 'tensorrt',
      device: 'onnxruntime tensorrt',
      warning: null,
      tried: ['tensorrt'],
    })
    assert.deepEqual(await chosen(2, ['cuda', 'cpu']), { opened: 'cuda', device: 'onnxruntime cuda', warning: null, tried: ['tensorrt', 'cuda'] })
  })

  it('is the CPU if neither GPU provider can be loaded, and the warning has the reason of each', async () => {
    assert.deepEqual(await chosen(1, ['cpu']), {
      opened: 'cpu',
      device: 'onnxruntime cpu',
      warning: 'tensorrt: Failed to load libtensorrt.so; cuda: Failed to load libcuda.so',
      tried: ['tensorrt', 'cuda', 'cpu'],
    })
  })

  it('is the CPU if the libraries of the GPU providers are missing, and the warning has the command that installs them', async () => {
    const { opened, warning, tried } = await chosen(1, ['cpu'], false)
    assert.deepEqual([opened, tried], ['cpu', ['cpu']])
    assert.match(warning ?? '', /`waggle models setup-gpu` brings them/)
  })

  it('is the CPU without a warning if the bee asks for no GPU, even if the machine has one', async () => {
    assert.deepEqual(await chosen(0, ['tensorrt', 'cuda', 'cpu']), { opened: 'cpu', device: 'onnxruntime cpu', warning: null, tried: ['cpu'] })
  })

  it('fails with the CPU’s error if the model itself cannot be opened', async () => {
    await assert.rejects(chosen(1, []), /libcpu/)
  })
})
