module imagemill/bootstrap

go 1.27
