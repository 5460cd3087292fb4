/**
 * A real browser for tests: the Chromium of an npm package on its own SwiftShader, driven by playwright-core. `null` where the package is not
 * installed or has no build for this machine.
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
  const { default: carried } = await import('@sparticuz/chromium');
  return chromium.launch({ executablePath: await carried.executablePath(), headless: true, args: [...ARGUMENTS, ...further] });
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
