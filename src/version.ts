/** The package's version, written in by the build. */
declare const BACKLIGHT_VERSION: string | undefined;

export const VERSION: string = typeof BACKLIGHT_VERSION === 'string' ? BACKLIGHT_VERSION : 'development';
