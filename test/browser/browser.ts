/**
 * A real browser for tests: the Chromium of an npm package on its own SwiftShader, driven by playwright-core. Where the package is not
 * installed, or has no build for this machine, the file's tests end as skipped, and say so.
 */
import { chromium, type Browser, type ConsoleMessage, type Page } from 'playwright-core';

const ARGUMENTS = [
  '--enable-unsafe-webgpu',
  '--use-webgpu-adapter=swiftshader',
  '--enable-features=Vulkan',
  '--use-vulkan=swiftshader',
  '--no-sandbox',
  '--disable-gpu-watchdog',
];

export async function openBrowser(...further: readonly string[]): Promise<Browser> {
  return chromium.launch({ executablePath: await executable(), headless: true, args: [...ARGUMENTS, ...further] });
}

async function executable(): Promise<string> {
  if (process.platform !== 'linux' || process.arch !== 'x64') return skipAll(`the browser's package is for Linux on x64`);
  try {
    const { default: carried } = await import('@sparticuz/chromium');
    return await carried.executablePath();
  } catch (error) {
    return skipAll(`no browser to be had from @sparticuz/chromium (${(error as Error).message.split('\n')[0]})`);
  }
}

/** Ends this file in the words of uvu, which cannot skip what has not been declared yet. */
function skipAll(why: string): never {
  console.log(`skipped: ${why}\n\n  Total:     0\n  Passed:    0\n  Skipped:   1`);
  process.exit(0);
}

/** A page, and what its console said of errors. */
export async function openPage(browser: Browser, address: string): Promise<{ page: Page; errors: string[] }> {
  const page = await browser.newPage();
  const errors: string[] = [];
  page.on('console', (message: ConsoleMessage) => {
    if (message.type() === 'error' || message.type() === 'warning') errors.push(`${message.type()}: ${message.text()}`);
  });
  page.on('pageerror', (error) => errors.push(`uncaught: ${error.message}`));
  await page.goto(address);
  return { page, errors };
}
