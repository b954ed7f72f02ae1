import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { promisify } from 'node:util'
import { gpuReadings, NvidiaGpus } from '../../../connectors/system/nvidia-gpus.ts'
import { systemClock } from '../../../connectors/system/system-clock.ts'
import { MeasuredProgram } from '../../../ops/bench/measured-program.ts'
import { eventually } from '../../support/swarm-here.ts'

const mebibyte = 1024 * 1024
const rowOf = (text: string) => gpuReadings(`${text}\n`)[0]

/** Rows in the forms of NVIDIA's documentation and of public reports. */
describe('The output of nvidia-smi', () => {
  it('gives the values of each GPU in bytes, degrees and watts', () => {
    const output =
      '0, GPU-8f1e7a2c-5d54-5f0f-9d9e-4f6e7f1f6a10, NVIDIA A100-SXM4-80GB, 97, 75213, 81920, 61, 387.25\n1, GPU-10fb0fbd-2696-43f3-467f-d280d906a107, NVIDIA A100-SXM4-80GB, 0, 4, 81920, 31, 58.10\n'
    const [first, second] = gpuReadings(output)
    assert.deepEqual(first, {
      index: '0',
      uuid: 'GPU-8f1e7a2c-5d54-5f0f-9d9e-4f6e7f1f6a10',
      name: 'NVIDIA A100-SXM4-80GB',
      utilization: 0.97,
      usedBytes: 75_213 * mebibyte,
      totalBytes: 81_920 * mebibyte,
      celsius: 61,
      watts: 387.25,
    })
    assert.deepEqual([second?.index, second?.utilization, second?.watts], ['1', 0, 58.1])
  })

  it('is read as null for each value that the GPU does not report: in MIG mode, without a sensor, with memory shared with the system, after a fault', () => {
    const mig = rowOf('0, GPU-8f1e7a2c, NVIDIA A100-SXM4-40GB, [N/A], 1234, 40960, 34, 55.20')
    assert.deepEqual([mig?.utilization, mig?.usedBytes, mig?.watts], [null, 1234 * mebibyte, 55.2])
    const old = rowOf('0, GPU-10fb0fbd, GeForce GTX 650, [Not Supported], 301, 980, 41, [Not Supported]')
    assert.deepEqual([old?.utilization, old?.celsius, old?.watts], [null, 41, null])
    const unified = rowOf('0, GPU-abc, NVIDIA GB10, 12, [N/A], [N/A], 41, 9.87')
    assert.deepEqual([unified?.usedBytes, unified?.totalBytes, unified?.utilization], [null, null, 0.12])
    const jetson = rowOf('0, N/A, Orin (nvgpu), [N/A], [N/A], [N/A], [N/A], [N/A]')
    assert.deepEqual([jetson?.name, jetson?.celsius], ['Orin (nvgpu)', null])
    const lost = rowOf('3, GPU-d1df4664, Tesla V100-SXM2-16GB, [GPU is lost], [Unknown Error], 16384, ERR!, [Insufficient Permissions]')
    assert.deepEqual([lost?.utilization, lost?.usedBytes, lost?.totalBytes, lost?.celsius, lost?.watts], [null, null, 16_384 * mebibyte, null, null])
  })

  it('is skipped where a line is not a row, and is bounded in the number of GPUs and the length of names', () => {
    for (const line of [
      '',
      'No devices were found',
      'Unable to determine the device handle for GPU0000:01:00.0: GPU has fallen off the bus.',
      'NVIDIA-SMI has failed because it couldn’t communicate with the NVIDIA driver. Make sure that the latest NVIDIA driver is installed and running.',
      'Field "power.draw" is not a valid field to query.',
      'x, GPU-1, A, 1, 2, 3, 4, 5',
    ])
      assert.deepEqual(gpuReadings(`${line}\n`), [], line)
    const many = Array.from({ length: 100 }, (_, at) => `${at}, GPU-${at}, ${'x'.repeat(500)}, 1, 2, 3, 4, 5`).join('\r\n')
    assert.deepEqual([gpuReadings(many).length, gpuReadings(many)[0]?.name.length], [64, 100])
  })
})

/** A clock whose timers run only when the test calls `step`. */
class SteppedClock {
  readonly timers: { readonly delayMs: number; readonly act: () => void }[] = []
  nowMs = 0
  elapsedMs = () => this.nowMs
  after(delayMs: number, act: () => void): () => void {
    const timer = { delayMs, act }
    this.timers.push(timer)
    return () => void this.timers.splice(this.timers.indexOf(timer), 1)
  }
  /** Runs the only timer. */
  step(): void {
    assert.equal(this.timers.length, 1)
    const [timer] = this.timers.splice(0)
    this.nowMs += timer?.delayMs ?? 0
    timer?.act()
  }
}

/** The program of these tests is a script, because the test machines have no GPU. */
describe('The readings of the GPUs of this machine', {
  skip: process.platform === 'win32' ? 'the program of the test is a shell script' : false,
}, () => {
  let directory = ''
  let program = ''
  let gpus: NvidiaGpus | null = null
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'waggle-gpus-'))
    program = join(directory, 'nvidia-smi')
  })
  afterEach(() => {
    gpus?.close()
    rmSync(directory, { recursive: true, force: true })
  })

  const shown = () => gpus?.readings ?? []
  const row = "echo '0, GPU-1, NVIDIA T4, 50, 1024, 15360, 40, 30.5'"
  /** A program that records its arguments and its process id, and then does the work of `script`. */
  function write(script: string): void {
    writeFileSync(
      program,
      `#!/bin/sh\necho "$@" >> ${directory}/runs\necho $$ > ${directory}/started\nmv ${directory}/started ${directory}/pid\n${script}\n`,
    )
    chmodSync(program, 0o755)
  }
  const runs = () => (existsSync(join(directory, 'runs')) ? readFileSync(join(directory, 'runs'), 'utf8').trim().split('\n') : [])

  it('come from a program that no caller waits for, and that runs again after five seconds if a caller asks', async () => {
    write(row)
    const clock = new SteppedClock()
    gpus = new NvidiaGpus({ clock, program })
    assert.deepEqual(shown(), [])
    await eventually(async () => clock.timers.length === 1)
    assert.deepEqual([shown()[0]?.utilization, shown()[0]?.name], [0.5, 'NVIDIA T4'])
    assert.deepEqual([runs().length, clock.timers.map(({ delayMs }) => delayMs)], [1, [5000]])
    assert.match(runs()[0] ?? '', /^--query-gpu=index,uuid,name,utilization\.gpu,\S+ --format=csv,noheader,nounits$/)
    clock.step()
    assert.equal(shown().length, 1)
    await eventually(async () => clock.timers.length === 1)
    assert.equal(runs().length, 2)
    clock.nowMs += 200_000
    clock.step()
    assert.deepEqual([clock.timers, runs().length], [[], 2])
    // The readings are too old now. So the next question gets no readings and starts the program again.
    assert.deepEqual(shown(), [])
    await eventually(async () => clock.timers.length === 1)
    assert.equal(shown().length, 1)
  })

  it('are empty while the program fails, and the program is started again a minute later', async () => {
    write(`${row}; [ -e ${directory}/fails ] && exit 15; exit 0`)
    const clock = new SteppedClock()
    gpus = new NvidiaGpus({ clock, program })
    shown()
    await eventually(async () => shown().length === 1)
    writeFileSync(join(directory, 'fails'), '')
    clock.step()
    await eventually(async () => shown().length === 0)
    assert.deepEqual(
      clock.timers.map(({ delayMs }) => delayMs),
      [60_000],
    )
    rmSync(join(directory, 'fails'))
    clock.step()
    await eventually(async () => shown().length === 1)
  })

  it('are empty without the program, which is searched for only once', async () => {
    const clock = new SteppedClock()
    gpus = new NvidiaGpus({ clock, program })
    assert.deepEqual(shown(), [])
    // The error of a missing program arrives before the end of a program that starts later.
    await promisify(execFile)('true')
    write(row)
    shown()
    await promisify(execFile)('true')
    assert.deepEqual([shown(), clock.timers, runs()], [[], [], []])
  })

  it('leave no running program when the process stops', async () => {
    write('exec sleep 60')
    gpus = new NvidiaGpus({ clock: systemClock, program })
    shown()
    await eventually(async () => existsSync(join(directory, 'pid')))
    const pid = Number(readFileSync(join(directory, 'pid'), 'utf8'))
    gpus.close()
    assert.deepEqual(shown(), [])
    await eventually(async () => !isRunning(pid))
  })

  it('are in the metrics of a process that finds the program in its PATH', async () => {
    write(row)
    writeFileSync(
      join(directory, 'swarm.yaml'),
      'name: s\nbees:\n  - {name: entrance, type: gateway-input, spec: {name: door}}\n  - {name: answer, type: respond, input: {name: entrance}}\n',
    )
    const main = resolve(import.meta.dirname, '..', '..', '..', 'ops', 'cli', 'main.ts')
    const env = { PATH: `${directory}:${process.env.PATH}`, WAGGLE_DATA_DIR: join(directory, 'data'), WAGGLE_HTTP_PORT: '0' }
    const running = await MeasuredProgram.start([main, 'run', join(directory, 'swarm.yaml'), '--json'], env)
    try {
      const metrics = async () => (await fetch(`${running.ready.gateway}/metrics`)).text()
      await eventually(async () => (await metrics()).includes('waggle_gpu_utilization_ratio{'))
      const text = await metrics()
      const labels = '{gpu="0",uuid="GPU-1",name="NVIDIA T4"}'
      for (const [name, value] of [
        ['utilization_ratio', 0.5],
        ['memory_used_bytes', 1024 * mebibyte],
        ['memory_total_bytes', 15_360 * mebibyte],
        ['temperature_celsius', 40],
        ['power_watts', 30.5],
      ])
        assert.ok(text.includes(`waggle_gpu_${name}${labels} ${value}\n`), `${name} is not ${value}`)
    } finally {
      await running.stop()
    }
  })
})

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
