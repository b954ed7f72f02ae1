import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { type Browser, chromium, type Page } from 'playwright-core'
import { drawingTimes, traceCategories } from './browser-trace.ts'
import { chromiumArguments, chromiumProgram, missingChromium } from './chromium-program.ts'
import { MeasuredProgram } from './measured-program.ts'
import { ShownSwarm } from './shown-swarm.ts'
import type { Table } from './table.ts'

export interface PageBenchmarkOptions {
  /** The length of each measurement of frames, in seconds. */
  readonly seconds: number
  readonly bees: number
}

/**
 * Measures the page in a real Chromium. One table has the frames of the graph while its numbers change, with the CPU time of the browser's threads.
 * The floor is an almost empty page in the same browser. The other table has the first paint of a page of a real process, without a cache.
 */
export async function pageBenchmark({ seconds, bees }: PageBenchmarkOptions): Promise<readonly Table[]> {
  const executablePath = chromiumProgram()
  if (executablePath === null) throw new Error(missingChromium)
  const browser = await chromium.launch({ executablePath, args: [...chromiumArguments] })
  try {
    return [await frames(browser, { seconds, bees }), await firstPaint(browser, { bees })]
  } finally {
    await browser.close()
  }
}

const viewport = { width: 1280, height: 900 }

async function frames(browser: Browser, { seconds, bees }: PageBenchmarkOptions): Promise<Table> {
  const shown = await ShownSwarm.start({ bees })
  try {
    const rows = [await framesOf(browser, { what: 'an empty page (floor)', url: 'about:blank', seconds, updates: () => 0, isReady: async () => {} })]
    for (const [what, rate] of [
      ['nothing changes', 0],
      ['counts each second, as from a process', 1],
      ['counts 10 times a second', 10],
      ['counts 60 times a second', 60],
    ] as const) {
      shown.countsPerSecond = rate
      const isReady = async (page: Page) => {
        await page
          .locator('.bee')
          .nth(bees - 1)
          .waitFor()
        // After this time V8 has compiled the code that each event runs.
        await page.waitForTimeout(2000)
      }
      rows.push(await framesOf(browser, { what, url: shown.url, seconds, updates: () => (rate === 0 ? 0 : shown.sent), isReady }))
    }
    return {
      title: `The graph of ${bees} bees and ${shown.edges} edges, all numbers of which change with each update (the aim is 60 frames/s)`,
      columns: [
        ...['page', 'updates/s', 'frames/s', 'p99 frame ms', 'tasks over 50 ms', 'script ms/update'],
        ...['style, layout, paint ms/frame', 'main thread ms/frame', 'raster ms/frame'],
      ],
      rows,
      floorRow: 'floor',
    }
  } finally {
    await shown.stop()
  }
}

interface FramesOptions {
  readonly what: string
  readonly url: string
  readonly seconds: number
  /** The number of updates that the page has got so far. */
  readonly updates: () => number
  readonly isReady: (page: Page) => Promise<void>
}

async function framesOf(browser: Browser, { what, url, seconds, updates, isReady }: FramesOptions): Promise<readonly (string | number)[]> {
  const context = await browser.newContext({ viewport })
  try {
    const page = await context.newPage()
    await page.goto(url)
    await isReady(page)
    await browser.startTracing(page, { categories: [...traceCategories] })
    const before = updates()
    const { times, longTasks } = (await page.evaluate(`(${watchFrames})(${seconds * 1000})`)) as Watched
    const count = updates() - before
    const { mainMs, scriptMs, drawMs, rasterMs } = drawingTimes((await browser.stopTracing()).toString())
    const steps = times.slice(1).map((time, at) => time - (times[at] ?? time))
    const wallSeconds = ((times.at(-1) ?? 0) - (times[0] ?? 0)) / 1000
    const { length } = steps
    const perUpdate = count === 0 ? '' : scriptMs / count
    return [
      what,
      count / wallSeconds,
      length / wallSeconds,
      quantile(steps, 0.99),
      longTasks,
      perUpdate,
      drawMs / length,
      mainMs / length,
      rasterMs / length,
    ]
  } finally {
    await context.close()
  }
}

interface Watched {
  readonly times: readonly number[]
  readonly longTasks: number
}

/** Runs in the page: the time of each frame, and the number of tasks that took more than 50 ms. */
const watchFrames = `(ms) => new Promise((resolve) => {
  const times = []
  let longTasks = 0
  const observer = new PerformanceObserver((list) => { longTasks += list.getEntries().length })
  observer.observe({ type: 'longtask' })
  const end = performance.now() + ms
  const step = (time) => {
    times.push(time)
    if (time < end) return requestAnimationFrame(step)
    observer.disconnect()
    resolve({ times, longTasks })
  }
  requestAnimationFrame(step)
})`

/** Opens the page of a process with that many bees, each time in a new context, so that nothing is cached. */
async function firstPaint(browser: Browser, { bees }: { readonly bees: number }): Promise<Table> {
  const directory = mkdtempSync(join(tmpdir(), 'waggle-bench-'))
  writeFileSync(join(directory, 'work.mjs'), 'export default (input) => input\n')
  writeFileSync(join(directory, 'swarm.yaml'), swarmOf(bees))
  const env = { WAGGLE_DATA_DIR: join(directory, 'data'), WAGGLE_HTTP_PORT: '0', WAGGLE_GRPC_PORT: '0', WAGGLE_CLICKHOUSE_PORT: '0' }
  const main = resolve(import.meta.dirname, '..', 'cli', 'main.ts')
  const program = await MeasuredProgram.start([main, 'run', join(directory, 'swarm.yaml'), '--json'], env)
  try {
    const loads: Load[] = []
    // The first load warms the process and the browser up.
    for (let at = 0; at <= loadsOfAPage; at++) {
      const load = await loadOf(browser, `${program.ready.gateway}/`, bees)
      if (at > 0) loads.push(load)
    }
    const row = (what: string, value: (load: Load) => number) => [what, quantile(loads.map(value), 0.5), Math.max(...loads.map(value))]
    return {
      title: `The page of a process with ${bees} bees, ${loadsOfAPage} times without a cache (the aims are a first paint within 300 ms, and 250 KB)`,
      columns: ['what', 'median', 'most'],
      rows: [
        row('first paint, ms', ({ paintMs }) => paintMs),
        row('graph drawn, ms', ({ drawnMs }) => drawnMs),
        row('bytes over the wire, KB', ({ bytes }) => bytes / 1000),
        row('files', ({ files }) => files),
      ],
    }
  } finally {
    await program.stop()
    rmSync(directory, { recursive: true, force: true })
  }
}

interface Load {
  readonly paintMs: number
  readonly drawnMs: number
  readonly bytes: number
  readonly files: number
}

async function loadOf(browser: Browser, url: string, bees: number): Promise<Load> {
  const context = await browser.newContext({ viewport })
  try {
    const page = await context.newPage()
    const session = await context.newCDPSession(page)
    await session.send('Network.enable')
    // The stream of counts has no end, so only files count.
    const files = new Set<string>()
    let bytes = 0
    session.on(
      'Network.responseReceived',
      ({ requestId, type }) => void (['Document', 'Stylesheet', 'Script'].includes(type) && files.add(requestId)),
    )
    session.on('Network.loadingFinished', ({ requestId, encodedDataLength }) => {
      if (files.has(requestId)) bytes += encodedDataLength
    })
    await page.addInitScript(`(${watchBees})(${bees})`)
    await page.goto(url)
    await page
      .locator('.bee')
      .nth(bees - 1)
      .waitFor()
    const [paintMs, drawnMs] = (await page.evaluate(
      `[performance.getEntriesByName('first-contentful-paint')[0].startTime, performance.getEntriesByName('graph')[0].startTime]`,
    )) as [number, number]
    return { paintMs, drawnMs, bytes, files: files.size }
  } finally {
    await context.close()
  }
}

/** Runs in the page: marks the frame after all bees are in the document. */
const watchBees = `(bees) => {
  const observer = new MutationObserver(() => {
    if (document.getElementsByClassName('bee').length < bees) return
    observer.disconnect()
    requestAnimationFrame(() => requestAnimationFrame(() => performance.mark('graph')))
  })
  observer.observe(document, { subtree: true, childList: true })
}`

/** A swarm with this number of shown bees: an entrance, module bees in layers of seven, and an answer. */
function swarmOf(bees: number): string {
  const modules = [...Array(bees - 2).keys()].map((at) => {
    const before = at < 7 ? 'entrance' : `bee-${at - 7}`
    return `  - {name: bee-${at}, type: module, input: {name: ${before}}, spec: {file: ./work.mjs}}`
  })
  return ['name: busy', 'bees:', '  - {name: entrance, type: gateway-input, spec: {name: busy}}', ...modules]
    .concat(`  - {name: answer, type: respond, input: {name: bee-${bees - 3}}}`, '')
    .join('\n')
}

function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((one, other) => one - other)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}

const loadsOfAPage = 10
