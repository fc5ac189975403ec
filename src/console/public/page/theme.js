// A classic script, so that it runs before anything is painted: the theme that was chosen in this browser.
// `account/theme-choice.js` keeps the choice under this name.
{
  const theme = localStorage.getItem('agentline-theme');
  if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme;
}
