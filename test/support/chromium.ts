import { after, before, describe, it } from 'node:test'
import { type Browser, chromium } from 'playwright-core'
import { chromiumArguments, chromiumProgram, missingChromium as missing } from '../../ops/bench/chromium-program.ts'

/**
 * Runs tests in a real Chromium: the program of `CHROMIUM`, or else an installed Chromium. Without a Chromium the tests are skipped, with the reason.
 * In CI (`CI=true`) they fail instead.
 */
export function describeWithChromium(name: string, tests: (browser: () => Browser) => void): void {
  const executablePath = chromiumProgram()
  describe(name, () => {
    if (executablePath === null) {
      const isNeeded = process.env.CI === 'true'
      it('has a Chromium to run in', isNeeded ? {} : { skip: missing }, () => {
        throw new Error(missing)
      })
      return
    }
    let browser: Browser | null = null
    before(async () => {
      browser = await chromium.launch({ executablePath, args: [...chromiumArguments], timeout: 120_000 })
    })
    tests(() => {
      if (browser === null) throw new Error('There is no browser before the tests run')
      return browser
    })
    after(() => browser?.close())
  })
}
