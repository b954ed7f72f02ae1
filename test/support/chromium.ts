import { existsSync } from 'node:fs'
import { after, before, describe, it } from 'node:test'
import { type Browser, chromium } from 'playwright-core'

const places = [process.env.CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome', '/snap/bin/chromium']
const missing = 'There is no Chromium: install Debian’s package chromium, or set CHROMIUM to its path'

/**
 * Runs tests in a real Chromium: the program of `CHROMIUM`, or else an installed Chromium. Without a Chromium the tests are skipped, with the reason.
 * In CI (`CI=true`) they fail instead.
 */
export function describeWithChromium(name: string, tests: (browser: () => Browser) => void): void {
  const executablePath = places.find((place) => place !== undefined && existsSync(place))
  describe(name, () => {
    if (executablePath === undefined) {
      const isNeeded = process.env.CI === 'true'
      it('has a Chromium to run in', isNeeded ? {} : { skip: missing }, () => {
        throw new Error(missing)
      })
      return
    }
    let browser: Browser | null = null
    before(async () => {
      // The sandbox needs namespaces, which root in a container does not have. The page is Waggle's own.
      browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-dev-shm-usage'], timeout: 120_000 })
    })
    tests(() => {
      if (browser === null) throw new Error('There is no browser before the tests run')
      return browser
    })
    after(() => browser?.close())
  })
}
