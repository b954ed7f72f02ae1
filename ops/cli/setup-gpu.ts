import { hasProviders } from '../../connectors/models/gpu-providers.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import { bringerOf, checkProviders, type ProviderState } from '../gpu/provider-check.ts'
import { addonPlace, bringProviders } from '../gpu/provider-files.ts'
import { exitStatus } from './exit-status.ts'
import { terminalText } from './terminal-text.ts'

export interface SetupGpuOptions {
  /** If true, nothing is fetched, and only the state of the machine is printed. */
  readonly check?: boolean
  readonly json: boolean
}

/**
 * `waggle models setup-gpu`: fetches onnxruntime's providers for CUDA and TensorRT into the folder of onnxruntime's native module, and prints the
 * missing system libraries. The exit status is 1 if no provider can be loaded.
 */
export async function setupGpu({ check = false, json }: SetupGpuOptions): Promise<number> {
  if (process.platform !== 'linux' || process.arch !== 'x64') throw otherPlatform()
  const place = addonPlace()
  if (!check && !hasProviders(place.folder)) await bringProviders(place, { say: (line) => process.stderr.write(`${terminalText(line)}\n`) })
  const states = await checkProviders(place.folder)
  process.stdout.write(json ? `${JSON.stringify({ ...place, providers: states })}\n` : terminalText(textOf(place, states)))
  return states.some(({ missing }) => missing.length === 0) ? exitStatus.done : exitStatus.wrongInput
}

function textOf({ folder, version }: ReturnType<typeof addonPlace>, states: readonly ProviderState[]): string {
  const lines = states.map(({ provider, missing }) => {
    const named = missing.map((library) => `    ${library}, of ${library.startsWith('/') ? 'onnxruntime-gpu' : bringerOf(library)}\n`).join('')
    return missing.length === 0 ? `  ${provider} can be loaded\n` : `  ${provider} misses\n${named}`
  })
  return `onnxruntime ${version}, providers in ${folder}\n${lines.join('')}`
}

function otherPlatform(): WaggleError {
  return new WaggleError('WAGGLE_GPU_SETUP', {
    message: `onnxruntime has no GPU providers for ${process.platform}-${process.arch}`,
    next: 'Run the bees that need a GPU on linux-x64.',
  })
}
